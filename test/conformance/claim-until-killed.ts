// Claims batches of the embedded queue and keeps them, until it is killed. Prints the id of each.
// Arguments: <folder> <shard> <how many>
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { createLmdbQueue } from '../../src/ingest/queue/lmdb-queue.ts';
import { steadyClock, systemClock } from '../../src/shared/time.ts';

const [dir = '', shard = '', count = '1'] = process.argv.slice(2);
const queue = await createLmdbQueue({
  dir,
  leaseMs: 3_600_000,
  clock: systemClock,
  steady: steadyClock,
  logger: pino({ level: 'silent' }),
});

for (let claimed = 0; claimed < Number(count); claimed += 1) {
  const claim = await queue.claim(shard, 'oldest');
  if (claim === undefined) throw new Error('nothing to claim');
  writeSync(1, `${claim.batch.id}\n`);
}
for (;;) await sleep(1000);
