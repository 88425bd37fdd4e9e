import { join } from 'node:path';
import { pino } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import type { Batch } from '../../src/ingest/queue/batch.ts';
import type { BatchQueue, Claim } from '../../src/ingest/queue/batch-queue.ts';
import { createLmdbQueue } from '../../src/ingest/queue/lmdb-queue.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { steadyClock, systemClock } from '../../src/shared/time.ts';
import { protobufOf } from './otlp-records.ts';
import { tracesOf } from './otlp-samples.ts';

const types = createOtlpTypes();

/** The queue of a data folder, as `otelfan ingest` opens it. */
export function openDataFolderQueue(dataDir: string): Promise<BatchQueue> {
  return createLmdbQueue({
    dir: join(dataDir, 'queue'),
    leaseMs: 5000,
    clock: systemClock,
    steady: steadyClock,
    logger: pino({ level: 'silent' }),
  });
}

export interface TraceBatchOptions {
  readonly shard: string;
  /** One slice for each; a span `a` of every trace in it. */
  readonly slices: readonly (readonly string[])[];
  readonly change?: Partial<Batch>;
}

/** A batch of spans, as the batcher would have made it of one request for each slice. */
export function traceBatch({ shard, slices, change = {} }: TraceBatchOptions): Batch {
  const parts = slices.map(traces =>
    protobufOf(
      'traces',
      tracesOf(
        'shop',
        traces.map((trace, index) => ({ trace, span: `a${index}` })),
      ),
    ),
  );
  return {
    id: uuidv7(),
    shard,
    signal: 'traces',
    records: slices.flat().length,
    acceptedAtMs: Date.now(),
    topologyVersion: 1,
    slices: parts.map((bytes, index) => ({
      exportId: index.toString(16).padStart(32, '0'),
      sizeBytes: bytes.length,
    })),
    payload: Buffer.concat(parts),
    ...change,
  };
}

/** The trace ids of a batch's spans, in body order. */
export function traceIdsOf({ payload }: Batch): string[] {
  const message = types.request('traces').decode(payload) as unknown as {
    resourceSpans: { scopeSpans: { spans: { traceId: Uint8Array }[] }[] }[];
  };
  return message.resourceSpans
    .flatMap(group => group.scopeSpans.flatMap(scope => scope.spans))
    .map(span => Buffer.from(span.traceId).toString('hex'));
}

/** Claims all that a lane hands out, oldest first, and holds it. */
export async function claimsOf(queue: BatchQueue, shard: string): Promise<Claim[]> {
  const claims: Claim[] = [];
  for (;;) {
    const claim = await queue.claim(shard, 'oldest');
    if (claim === undefined) return claims;
    claims.push(claim);
  }
}

/** Claims a lane empty without settling anything. */
export async function claimAll(queue: BatchQueue, shard: string): Promise<Batch[]> {
  return (await claimsOf(queue, shard)).map(({ batch }) => batch);
}

/** Takes all that is in a lane, however many batches and however long that takes: what is settled has no lease. */
export async function takeAll(queue: BatchQueue, shard: string): Promise<Batch[]> {
  const batches: Batch[] = [];
  for (;;) {
    const claim = await queue.claim(shard, 'oldest');
    if (claim === undefined) return batches;
    batches.push(claim.batch);
    await queue.ack(claim);
  }
}
