import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { Slot } from '../../../src/query/fan-out.ts';
import { createShardLog } from '../../../src/query/shard-log.ts';

const failed: Slot<string> = { shardId: 's1', elapsedMs: 3, kind: 'failed', reason: 'said no' };
const answered: Slot<string> = { shardId: 's1', elapsedMs: 3, kind: 'answered', value: '' };
const abandoned: Slot<string> = {
  shardId: 's1',
  elapsedMs: 3,
  kind: 'abandoned',
  reason: 'the request was cancelled',
};

function logOf(...slots: Slot<string>[]): unknown[] {
  const lines: string[] = [];
  const shardLog = createShardLog(
    pino({ base: null, timestamp: false }, { write: line => lines.push(line) }),
  );
  for (const slot of slots) shardLog.record([slot]);
  return lines.map(line => (JSON.parse(line) as { msg: string }).msg);
}

describe('the log of shards', () => {
  it('says once that a shard fails and once that it is back, however many reads there were', () => {
    expect(logOf(answered, failed, failed, failed, answered, answered, failed)).toEqual([
      'shard fails reads',
      'shard answers reads again',
      'shard fails reads',
    ]);
  });

  it('takes a call that was given up for neither', () => {
    expect(logOf(abandoned, failed, abandoned, failed)).toEqual(['shard fails reads']);
  });
});
