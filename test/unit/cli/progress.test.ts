import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createProgress } from '../../../src/cli/progress.ts';

/** What progress that is told once every 50 ms for 12 seconds writes. */
function written({ isTTY }: { isTTY: boolean }): string[] {
  const writes: string[] = [];
  const stderr = Object.assign(
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        writes.push(chunk.toString());
        done();
      },
    }),
    { isTTY },
  );
  let nowMs = 0;
  const progress = createProgress({ stderr, clock: { now: () => nowMs } });
  for (; nowMs <= 12_000; nowMs += 50) progress.update(`${nowMs} of 12000`);
  progress.clear();
  progress.clear();
  return writes;
}

describe('progress of long work', () => {
  it('is one line that changes on a terminal, and is gone after it', () => {
    const writes = written({ isTTY: true });
    expect(writes).toHaveLength(121);
    expect(writes[0]).toBe('\r\u001b[K100 of 12000');
    expect(writes.at(-1)).toBe('\r\u001b[K');
    expect(writes.join('')).not.toContain('\n');
  });

  it('is a line now and then in a log', () => {
    expect(written({ isTTY: false })).toEqual(['5000 of 12000\n', '10000 of 12000\n']);
  });
});
