// Enqueues batches until it is killed, and prints the id of each when it is stored.
// Arguments: lmdb <folder> <shard> | redis <url> <shard> | redis-cluster <url> <shard>
import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { createBullmqQueue } from '../../src/ingest/queue/bullmq-queue.ts';
import { createLmdbQueue } from '../../src/ingest/queue/lmdb-queue.ts';
import { steadyClock, systemClock } from '../../src/shared/time.ts';

const [backend, where = '', shard = ''] = process.argv.slice(2);
const common = { leaseMs: 10_000, clock: systemClock, logger: pino({ level: 'silent' }) };
const queue =
  backend === 'lmdb'
    ? await createLmdbQueue({ ...common, steady: steadyClock, dir: where })
    : await createBullmqQueue({
        ...common,
        url: where,
        cluster: backend === 'redis-cluster',
        shards: [shard],
      });

for (;;) {
  const group = Array.from({ length: 4 }, () => ({
    id: uuidv7(),
    shard,
    signal: 'traces' as const,
    records: 1,
    acceptedAtMs: Date.now(),
    topologyVersion: 1,
    slices: [],
    payload: Buffer.alloc(20_000, 'x'),
  }));
  const outcome = await queue.enqueue(group);
  if (outcome.kind === 'stored') writeSync(1, group.map(batch => `${batch.id}\n`).join(''));
}
