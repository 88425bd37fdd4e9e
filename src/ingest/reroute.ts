import { setTimeout as sleep } from 'node:timers/promises';
import type { SliceInfo } from '../shared/otlp/batch-header.ts';
import type { Clock } from '../shared/time.ts';
import { type Hash, hex64 } from '../shared/topology/hash.ts';
import type { Topology } from '../shared/topology/topology.ts';
import type { Partition } from './partition/partition.ts';
import type { Batch } from './queue/batch.ts';
import type { BatchQueue, Claim } from './queue/batch-queue.ts';

export interface RerouteParts {
  readonly queue: BatchQueue;
  /** Owns no slot of `topology`. */
  readonly shard: string;
  readonly topology: Topology;
  readonly hash: Hash;
  readonly partition: Partition;
  /** A steady one. */
  readonly clock: Clock;
  /** How long to wait for batches that are there and not to be had: leased to somebody, or resting after a failure. */
  readonly patienceMs: number;
  /** Aborting ends the work after the batch in hand. */
  readonly signal: AbortSignal;
  readonly onProgress: (sofar: RerouteProgress) => void;
}

export interface RerouteProgress {
  readonly batches: number;
  readonly records: number;
  readonly sizeBytes: number;
  /** Records by the shard that has them now. */
  readonly recordsTo: ReadonlyMap<string, number>;
  /** Batches that could not be cut, and are dead letters of the old shard. */
  readonly deadBatches: number;
}

export interface RerouteOutcome extends RerouteProgress {
  /** `done`: the lane is empty. The other kinds leave batches behind, and the same command goes on with them. */
  readonly kind: 'done' | 'aborted' | 'out of patience' | 'refused';
  /** Why a batch was left where it is; with `refused` only. */
  readonly reason?: string;
  readonly batchesLeft: number;
}

const RETRY_PAUSE_MS = 250;

/**
 * Moves the undelivered batches of a shard to those that own their records now. Batch by batch: claimed, cut by shard
 * key, stored for the new owners and taken out of the old lane in one step of the queue. It can be ended at any point
 * and begun again, and several may run at once. A batch that its shard had stored, but not confirmed, is then on two
 * shards.
 */
export async function rerouteShard(parts: RerouteParts): Promise<RerouteOutcome> {
  const { queue, shard, clock, signal } = parts;
  const recordsTo = new Map<string, number>();
  const moved = { batches: 0, records: 0, sizeBytes: 0, deadBatches: 0, recordsTo };
  let lastMoveMs = clock.now();

  const end = async (kind: RerouteOutcome['kind'], reason?: string): Promise<RerouteOutcome> => {
    const { batches: batchesLeft } = await queue.stats(shard);
    return { ...moved, kind, batchesLeft, ...(reason !== undefined && { reason }) };
  };

  /** @returns why the batch was left where it is */
  async function move(claim: Claim): Promise<string | undefined> {
    const stale = staleReason(claim.batch, parts.topology);
    if (stale !== undefined) {
      await queue.release(claim, 0);
      return stale;
    }
    const cut = batchesOf(claim.batch, parts);
    if (typeof cut === 'string') {
      await queue.deadLetter(claim, `cannot be re-routed: ${cut}`);
      moved.deadBatches += 1;
      return undefined;
    }
    const refusal = await store(parts, claim, cut);
    if (refusal !== undefined) return refusal;
    moved.batches += 1;
    moved.records += claim.batch.records;
    moved.sizeBytes += claim.batch.payload.length;
    for (const { shard: to, records } of cut) recordsTo.set(to, (recordsTo.get(to) ?? 0) + records);
    return undefined;
  }

  while (!signal.aborted) {
    const claim = await queue.claim(shard, 'oldest');
    if (claim !== undefined) {
      const refusal = await move(claim);
      if (refusal !== undefined) return end('refused', refusal);
      lastMoveMs = clock.now();
      parts.onProgress(moved);
      continue;
    }
    const { batches } = await queue.stats(shard);
    if (batches === 0) return end('done');
    if (clock.now() - lastMoveMs >= parts.patienceMs) return end('out of patience');
    await sleep(RETRY_PAUSE_MS, undefined, { signal }).catch(() => undefined);
  }
  return end('aborted');
}

/** Somebody knows a newer topology than this one, or another of the same version, and would split otherwise. */
function staleReason({ id, shard, topologyVersion }: Batch, { version }: Topology): string | undefined {
  if (topologyVersion < version) return undefined;
  return `batch ${id} was given to shard ${shard} by version ${topologyVersion} of the topology, and this is version ${version} without it: use the configuration of the ingest processes`;
}

/** A queue that may or may not have stored the batches is asked again; their ids make that harmless. */
const STORE_ATTEMPTS = 5;

async function store(
  { queue, signal }: RerouteParts,
  claim: Claim,
  batches: readonly Batch[],
): Promise<string | undefined> {
  let reason = '';
  for (let attempt = 0; attempt < STORE_ATTEMPTS; attempt++) {
    if (attempt > 0) await sleep(RETRY_PAUSE_MS, undefined, { signal }).catch(() => undefined);
    const outcome = await queue.reroute(claim, batches);
    if (outcome.kind === 'stored') return undefined;
    reason = outcome.reason;
    if (outcome.kind === 'refused') break;
  }
  await queue.release(claim, 0);
  return reason;
}

type Cutting = Pick<RerouteParts, 'topology' | 'hash' | 'partition'>;

/** One batch for each new owner, holding all records of the old one; or why it cannot be cut. */
export function batchesOf(batch: Batch, { topology, hash, partition }: Cutting): Batch[] | string {
  const slicesTo = new Map<string, { info: SliceInfo; bytes: Buffer; records: number }[]>();
  let records = 0;
  let at = 0;
  for (const { exportId, sizeBytes } of batch.slices) {
    const parts = partition({
      signal: batch.signal,
      request: batch.payload.subarray(at, at + sizeBytes),
      shardOf: key => topology.owners[hash.slot(key)] as number,
    });
    at += sizeBytes;
    if (parts.kind === 'malformed') return parts.reason;
    if (parts.kind !== 'partitioned') return 'a slice has too many records';
    const newExportId = reroutedExportId({ exportId, from: batch.shard, version: topology.version }, hash);
    for (const { shard, bytes, records: count } of parts.slices) {
      const { id } = topology.active[shard] as Topology['active'][number];
      const slices = slicesTo.get(id) ?? [];
      slices.push({ info: { exportId: newExportId, sizeBytes: bytes.length }, bytes, records: count });
      slicesTo.set(id, slices);
      records += count;
    }
  }
  if (records !== batch.records) return `${records} of its ${batch.records} records were found in it`;
  return [...slicesTo].map(([shard, slices]) => ({
    id: reroutedBatchId({ id: batch.id, to: shard, version: topology.version }, hash),
    shard,
    signal: batch.signal,
    records: slices.reduce((sum, slice) => sum + slice.records, 0),
    acceptedAtMs: batch.acceptedAtMs,
    topologyVersion: topology.version,
    slices: slices.map(({ info }) => info),
    payload: Buffer.concat(slices.map(({ bytes }) => bytes)),
  }));
}

/**
 * The id of what one shard gets of a re-routed batch. An id names its bytes for ever, and another version cuts other
 * bytes, so the version is part of it: a second attempt after a change must not pass for the first. The age stays in
 * front, and the length is the same however often a batch is re-routed.
 *
 * @returns the UUIDv7 at the start of `id`, a dot and 16 hex digits
 */
function reroutedBatchId(
  { id, to, version }: { id: string; to: string; version: number },
  hash: Hash,
): string {
  return `${id.split('.', 1)[0]}.${hex64(hash.hash64(Buffer.from(`${id} to ${to} by ${version}`)))}`;
}

/**
 * The export id of what becomes of a re-routed slice. The new owner may have stored a slice of its own of the same
 * export, and would take this one, under the same id, for its repeat. So it gets an id of its own, drawn from all that
 * its records depend on: the export, the shard that it was cut for, the version that cuts it again. The same slice
 * queued twice, because its sender repeated itself, gets the same id twice, and is still stored once.
 */
function reroutedExportId(
  { exportId, from, version }: { exportId: string; from: string; version: number },
  hash: Hash,
): string {
  const name = Buffer.from(`${exportId} from ${from} by ${version}`);
  return hex64(hash.hash64(name)) + hex64(hash.hash64(name, 0xffff_ffff_ffff_ffffn));
}
