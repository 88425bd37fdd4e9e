import { describe, expect, it } from 'vitest';
import { BrokenPart, type RowPart } from '../../../../src/query/merge/row-part.ts';
import { slotsOnSeveral } from '../../../../src/query/merge/shared-traces.ts';
import { rowLine } from '../../../../src/shared/read/ndjson.ts';

const slotsPart = (shardId: string, ...slots: [number, number][]): RowPart => ({
  shardId,
  lines: Buffer.from(rowLine([], JSON.stringify({ slots }))),
});

describe('slots that several shards have traces of', () => {
  it('are those in the ranges of at least two', () => {
    const parts = [slotsPart('s0', [0, 10], [20, 20]), slotsPart('s1', [8, 12]), slotsPart('s2', [10, 20])];
    expect(slotsOnSeveral(parts)).toEqual([
      [8, 12],
      [20, 20],
    ]);
  });

  it('are none of one shard alone, however much it has', () => {
    expect(slotsOnSeveral([slotsPart('s0', [0, 16_383])])).toEqual([]);
  });

  it('blame the shard whose slots do not exist', () => {
    expect(() => slotsOnSeveral([slotsPart('s0', [0, 16_384])])).toThrow(BrokenPart);
  });
});
