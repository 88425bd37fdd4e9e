// Run under a limit on the size of files: fills the embedded queue until it refuses, empties it and fills it again.
// Argument: <folder>. Prints a summary.
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { createLmdbQueue } from '../../src/ingest/queue/lmdb-queue.ts';
import { systemClock } from '../../src/shared/time.ts';
import { newBatch } from './new-batch.ts';

const queue = await createLmdbQueue({
  dir: process.argv[2] ?? '',
  leaseMs: 60_000,
  clock: systemClock,
  logger: pino({ level: 'silent' }),
});

async function fill(): Promise<{ stored: number; reason: string }> {
  for (let stored = 0; ; stored += 1) {
    const outcome = await queue.enqueue([newBatch('s0', { payload: Buffer.alloc(100_000, 'x') })]);
    if (outcome.kind !== 'stored') return { stored, reason: outcome.reason };
  }
}

const first = await fill();
// What a failed commit leaves behind fails a little later.
await sleep(100);
const atFirst = await queue.stats('s0');
for (
  let claim = await queue.claim('s0', 'oldest');
  claim !== undefined;
  claim = await queue.claim('s0', 'oldest')
) {
  await queue.ack(claim);
}
const second = await fill();
process.stdout.write(JSON.stringify({ first, atFirst, second, atLast: await queue.stats('s0') }));
await queue.stop();
