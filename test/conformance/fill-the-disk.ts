// Fills the embedded queue until the disk refuses, makes room, empties the queue and fills it again.
// Arguments: <folder> [<file that is in the way, to be deleted to make room>]. Prints a summary.
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { createLmdbQueue } from '../../src/ingest/queue/lmdb-queue.ts';
import { steadyClock, systemClock } from '../../src/shared/time.ts';
import { newBatch } from './new-batch.ts';

const [dir = '', inTheWay] = process.argv.slice(2);
const queue = await createLmdbQueue({
  dir,
  leaseMs: 60_000,
  clock: systemClock,
  steady: steadyClock,
  logger: pino({ level: 'silent' }),
  minFreeBytes: 0,
});

/** One call after the other, then some at once, as several requests meet the full disk. */
async function fill(): Promise<{ stored: number; reasons: string[] }> {
  const enqueue = () => queue.enqueue([newBatch('s0', { payload: Buffer.alloc(100_000, 'x') })]);
  let stored = 0;
  let outcome = await enqueue();
  for (; outcome.kind === 'stored'; outcome = await enqueue()) stored += 1;
  const others = await Promise.all(Array.from({ length: 20 }, enqueue));
  stored += others.filter(({ kind }) => kind === 'stored').length;
  const reasons = [outcome, ...others].flatMap(refused => ('reason' in refused ? [refused.reason] : []));
  return { stored, reasons: [...new Set(reasons)] };
}

const first = await fill();
// What a failed commit leaves behind fails a little later.
await sleep(100);
const atFirst = await queue.audit('s0');
if (inTheWay !== undefined) await rm(inTheWay);
const next = () => queue.claim('s0', 'oldest');
for (let claim = await next(); claim !== undefined; claim = await next()) await queue.ack(claim);
const second = await fill();
await sleep(100);
process.stdout.write(JSON.stringify({ first, atFirst, second, atLast: await queue.audit('s0') }));
await queue.stop();
