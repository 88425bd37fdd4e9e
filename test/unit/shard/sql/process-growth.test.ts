import { describe, expect, it } from 'vitest';
import { nativeGrowth } from '../../../../src/shard/sql/process-growth.ts';

const MIB = 1024 * 1024;

function usageOf(rss: number, heapTotal: number, external: number) {
  return { rss: rss * MIB, heapTotal: heapTotal * MIB, external: external * MIB };
}

/** The growth, in MiB, at each use after the first. */
function growthOver(usages: readonly ReturnType<typeof usageOf>[]): number[] {
  const rest = [...usages];
  const growth = nativeGrowth(() => rest.shift() ?? usageOf(0, 0, 0));
  return usages.slice(1).map(() => growth() / MIB);
}

describe('the growth of a process beside JavaScript', () => {
  it('is what neither its heap nor its buffers explain', () => {
    expect(growthOver([usageOf(100, 30, 10), usageOf(400, 80, 30)])).toEqual([230]);
  });

  it('leaves out buffers that are gone while the allocator keeps what they took', () => {
    const burst = [usageOf(100, 30, 10), usageOf(400, 30, 310), usageOf(400, 30, 10), usageOf(450, 30, 20)];
    expect(growthOver(burst)).toEqual([0, 0, 50]);
  });

  it('counts what JavaScript held before as anybody else’s when it is taken again', () => {
    expect(growthOver([usageOf(400, 30, 300), usageOf(500, 30, 0)])).toEqual([100]);
  });
});
