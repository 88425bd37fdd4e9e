import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bisect, type Verdicts } from '../../src/ingest/delivery/bisect.ts';
import { type DeliveryOutcome, delivered, outcomeOfAnswer } from '../../src/ingest/delivery/outcome.ts';
import type { Batch } from '../../src/ingest/queue/batch.ts';
import { createDecoder } from '../../src/shard/decode/decoder.ts';
import { createShardExportHandler } from '../../src/shard/otlp-handler.ts';
import { NO_POOL } from '../../src/shared/buffer-pool.ts';
import { batchHeaders } from '../../src/shared/otlp/batch-header.ts';
import { CONDITIONS } from '../../src/shared/otlp/conditions.ts';
import type { ExportHandler } from '../../src/shared/otlp/door.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { createTimeSlices } from '../../src/shared/time-slices.ts';
import { createHash } from '../../src/shared/topology/hash.ts';
import { newBatch } from '../conformance/new-batch.ts';
import { tracesOf } from '../support/otlp-samples.ts';
import { openTestStore, type TestStore } from '../support/shard-store.ts';
import { otlpBytes } from '../support/test-shard.ts';

const REPEAT_WINDOWS_MS = [60_000, 0];

let store: TestStore;
let door: ExportHandler;

async function open(repeatWindowMs: number): Promise<void> {
  store = await openTestStore({ repeatWindowMs });
  const decode = createDecoder({ types: createOtlpTypes(), hash: await createHash(), buffers: NO_POOL });
  const slices = createTimeSlices({ sliceMs: 10 });
  door = createShardExportHandler({ decode, slices, writer: { write: batch => store.writer.write(batch) } });
}

/** What becomes of one send: it arrives, it is refused on the way, or nobody hears whether it arrived. */
type Weather = 'fine' | '400' | '503' | 'answer lost';

const DOWN: DeliveryOutcome = { kind: 'retry', reason: 'down' };

async function post(batch: Batch): Promise<DeliveryOutcome> {
  const headers = batchHeaders(batch);
  const answer = await door({
    signal: batch.signal,
    transport: 'http',
    deadlineMs: undefined,
    body: batch.payload,
    header: name => headers[name]?.toString(),
    warnings: [],
  });
  if (answer.kind === 'accepted') return delivered(Buffer.alloc(0));
  const { condition, message } = answer;
  const isPartlyStored = condition === 'partlyStored';
  const status = CONDITIONS[condition].http;
  return outcomeOfAnswer({ status, retryAfter: undefined, isPartlyStored, body: Buffer.from(message) }, 0);
}

async function sendIn(weather: Weather, batch: Batch): Promise<DeliveryOutcome> {
  if (weather === '503') return DOWN;
  if (weather === '400') return { kind: 'reject', reason: 'HTTP 400' };
  const outcome = await post(batch);
  return weather === 'fine' ? outcome : DOWN;
}

let exports = 0;

/** An export with so many spans, of a trace of its own. */
function exportOf(spans: number) {
  exports += 1;
  const trace = exports;
  const bytes = otlpBytes(
    'traces',
    tracesOf(
      'shop',
      Array.from({ length: spans }, (_, index) => ({ trace, span: index + 1 })),
    ),
  );
  return { spans, bytes, exportId: trace.toString(16).padStart(32, '0') };
}

type Export = ReturnType<typeof exportOf>;

function batchOf(slices: readonly Export[]): Batch {
  return newBatch('s0', {
    records: slices.reduce((sum, { spans }) => sum + spans, 0),
    payload: Buffer.concat(slices.map(({ bytes }) => bytes)),
    slices: slices.map(({ exportId, bytes }) => ({ exportId, sizeBytes: bytes.length })),
  });
}

/**
 * The queue at its worst: a batch that was claimed once may be sent by its replica at any time, whoever has settled it
 * meanwhile. What is settled twice is settled by the first.
 */
function startDelivery(batches: readonly Batch[]) {
  const queued = new Map(batches.map(batch => [batch.id, batch]));
  const known = [...batches];
  const dead = new Map<string, Batch>();

  function settle({ id }: Batch, refused: readonly Batch[]): void {
    if (!queued.delete(id)) return;
    for (const batch of refused) dead.set(batch.id, batch);
  }

  return {
    queued,
    dead,
    known,
    replay(): void {
      for (const [id, batch] of dead) {
        queued.set(id, batch);
        known.push(batch);
      }
      dead.clear();
    },
    replica() {
      const unfinished = new Map<string, Verdicts>();
      /** What a courier does with a claim; after so many sends of parts it gives the batch back. */
      return async (batch: Batch, parts: number, weather: () => Weather): Promise<void> => {
        let verdicts = unfinished.get(batch.id);
        if (verdicts === undefined) {
          const outcome = await sendIn(weather(), batch);
          if (outcome.kind === 'delivered') return settle(batch, []);
          if (outcome.kind === 'retry') return;
          verdicts = new Map([[batch.id, outcome]]);
        }
        let sends = 0;
        const result = await bisect({
          batch,
          verdicts,
          hasTime: () => sends < parts,
          send: part => {
            sends += 1;
            return sendIn(weather(), part);
          },
        });
        unfinished.set(batch.id, verdicts);
        if (result.kind === 'settled')
          settle(
            batch,
            result.refused.map(part => part.batch),
          );
      };
    },
  };
}

const weathers = fc.array(fc.constantFrom<Weather>('fine', '400', '400', '503', 'answer lost'), {
  minLength: 1,
  maxLength: 6,
});

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ by: fc.nat(2), pick: fc.nat(), parts: fc.nat(5), weathers }) },
  { weight: 1, arbitrary: fc.constant('replay' as const) },
);

describe.each(REPEAT_WINDOWS_MS)('with a repeat window of %d ms', repeatWindowMs => {
  beforeAll(() => open(repeatWindowMs));
  afterAll(() => store.remove());

  it('batches that replicas cut, give up, give back and replay arrive once, however it interleaves', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 2, maxLength: 3 }),
        fc.array(step, { maxLength: 25 }),
        async (sizes, steps) => {
          const before = await store.count('spans');
          const [repeated, ...others] = sizes.map(exportOf) as [Export, ...Export[]];
          const batches = [batchOf([repeated, ...others])];
          // In another batch, as its sender repeated it; where that is not recognised, the batch id has to do.
          batches.push(batchOf(repeatWindowMs === 0 ? [exportOf(2)] : [exportOf(2), repeated]));
          const delivery = startDelivery(batches);
          const replicas = [delivery.replica(), delivery.replica(), delivery.replica()];
          for (const one of steps) {
            if (one === 'replay') {
              delivery.replay();
              continue;
            }
            let sends = 0;
            const batch = delivery.known[one.pick % delivery.known.length] as Batch;
            const weather = () => one.weathers[sends++ % one.weathers.length] as Weather;
            await replicas[one.by]?.(batch, one.parts, weather);
          }
          for (let rounds = 0; delivery.queued.size + delivery.dead.size > 0; rounds += 1) {
            expect(rounds).toBeLessThan(10);
            delivery.replay();
            const fresh = delivery.replica();
            for (const batch of [...delivery.queued.values()]) await fresh(batch, 1000, () => 'fine');
          }
          const stored = (await store.count('spans')) - before;
          expect(stored).toBe(sizes.reduce((sum, size) => sum + size, 2));
        },
      ),
      { numRuns: 25 },
    );
  });
});
