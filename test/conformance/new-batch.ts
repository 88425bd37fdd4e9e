import { v7 as uuidv7 } from 'uuid';
import type { Batch } from '../../src/ingest/queue/batch.ts';

/** A batch with a fresh id, of one span unless told otherwise. */
export function newBatch(shard: string, with_: Partial<Batch> = {}): Batch {
  const payload = with_.payload ?? Buffer.from(`payload ${Math.random()}`);
  return {
    id: uuidv7(),
    shard,
    signal: 'traces',
    records: 1,
    acceptedAtMs: Date.now(),
    topologyVersion: 1,
    slices: [{ exportId: '0'.repeat(32), sizeBytes: payload.length }],
    ...with_,
    payload,
  };
}
