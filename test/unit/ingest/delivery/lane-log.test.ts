import { describe, expect, it } from 'vitest';
import { createLaneLog } from '../../../../src/ingest/delivery/lane-log.ts';
import { recordingLogger } from '../../../support/delivery-harness.ts';

describe('the log of a lane whose shard refuses records of batches that it takes', () => {
  it('has one line with what the shard says, and one when it took every record for a minute', () => {
    const { lines, logger } = recordingLogger();
    let nowMs = 0;
    const log = createLaneLog({ logger, shard: 's0', clock: { now: () => nowMs } });
    log.tookAll();
    for (; nowMs < 30_000; nowMs += 10_000) {
      log.recordsRefused('logs', { records: 2, message: '2 × no time' });
      log.tookAll();
    }
    expect(lines).toMatchObject([
      { shard: 's0', signal: 'logs', records: 2, message: '2 × no time', msg: expect.stringMatching(/lost/) },
    ]);
    for (; nowMs < 200_000; nowMs += 10_000) log.tookAll();
    expect(lines.slice(1)).toMatchObject([{ shard: 's0', msg: 'shard takes every record again' }]);
  });
});
