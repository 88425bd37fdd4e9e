import type { BufferPool } from '../shared/buffer-pool.ts';
import { type ExportHandler, type ExportOutcome, type ExportRequest, refuse } from '../shared/otlp/door.ts';
import { SIGNAL_FACTS, type Signal } from '../shared/otlp/signal.ts';
import type { Clock } from '../shared/time.ts';
import type { Hash } from '../shared/topology/hash.ts';
import type { ShardSpec, Topology } from '../shared/topology/topology.ts';
import type { Batcher, PendingSlice } from './batcher.ts';
import { exportIdOf } from './export-id.ts';
import type { HotKeys } from './hot-keys.ts';
import type { IngestEvents } from './ingest-events.ts';
import type { Partition, PartitionOutcome } from './partition/partition.ts';
import { type KeySampler, MAX_RECORDS } from './partition/splitter.ts';

interface ReceiverOptions {
  /** The topology in force now; one request is split by one version of it. */
  readonly topology: () => Topology;
  readonly partition: Partition;
  readonly hash: Hash;
  readonly batcher: Batcher;
  /** Why a shard's queue takes nothing more, or `undefined` while it has room. */
  readonly fullReason: (shard: string) => string | undefined;
  /** What a full shard does to a request that has records for others too; see the setting `queue.onShardFull`. */
  readonly onShardFull: 'shed' | 'reject';
  /** How long storing is tried at most; a sender that waits less long is answered by its own deadline. */
  readonly storeTimeoutMs: number;
  readonly events: Pick<IngestEvents, 'received' | 'shed'>;
  readonly hotKeys: Pick<HotKeys, 'add'>;
  readonly buffers: BufferPool;
  /** What the slices of all requests in hand may take; the setting `ingest.maxBytesInFlight`. */
  readonly maxSliceBytes: number;
  /** The one by which the doors tell deadlines; does not jump. */
  readonly steady: Clock;
}

/** Senders in the field give up after seconds, so they are asked back soon; the queue absorbs what is longer. */
const RETRY_AFTER_MS = 1000;

/** Of so many records one is looked at for its key: often enough to see a key that has a hundredth of them. */
const LOOK_EVERY = 64;

type Partitioned = Extract<PartitionOutcome, { kind: 'partitioned' }>;

/** What a shard whose queue is full does not get. */
interface FullSlice {
  readonly shard: string;
  readonly records: number;
  readonly reason: string;
}

interface Accepted {
  readonly parts: Partitioned;
  readonly kept: readonly PendingSlice[];
  readonly full: readonly FullSlice[];
}

/**
 * Takes one export: split by shard, store every slice, answer. The answer is given after the queue has the bytes
 * durably, never before. If any slice could not be stored the whole request is refused as retryable; the shards
 * recognise the slices of its repeat that they have by then.
 */
export function createReceiver(options: ReceiverOptions): ExportHandler {
  const { partition, hash, batcher, buffers, events, steady } = options;
  const recordsUntilLook: Record<Signal, number> = { traces: 1, logs: 1, metrics: 1 };
  let sliceBytes = 0;

  function allocate(sizeBytes: number): Buffer | undefined {
    if (sliceBytes + sizeBytes > options.maxSliceBytes) return undefined;
    sliceBytes += sizeBytes;
    return buffers.take(sizeBytes);
  }

  function refuseSlices(sizeBytes: number): ExportOutcome {
    const remedy = 'raise ingest.maxBytesInFlight';
    return sizeBytes > options.maxSliceBytes
      ? refuse(
          'tooLarge',
          `with its resources and scopes for every shard the request is ${sizeBytes} bytes; ${remedy}`,
        )
      : refuse('unavailable', `too many bytes of split requests in memory; ${remedy}`, RETRY_AFTER_MS);
  }

  function letGo({ memory }: Partitioned): void {
    sliceBytes -= memory.length;
  }

  function split({ signal, body }: ExportRequest, topology: Topology): PartitionOutcome {
    const sampler: KeySampler = {
      countdown: recordsUntilLook[signal],
      look(key, shard) {
        // A metric has as many looks as its data points made due; those after it would be counted for them otherwise.
        const records = LOOK_EVERY * (1 + Math.floor(-sampler.countdown / LOOK_EVERY));
        options.hotKeys.add({ signal, key, shard: ownerOf(topology, shard), records });
        sampler.countdown += records;
      },
    };
    const shardOf = (key: Uint8Array) => topology.owners[hash.slot(key)] as number;
    const outcome = partition({ signal, request: body, shardOf, sampler, allocate });
    recordsUntilLook[signal] = sampler.countdown;
    return outcome;
  }

  function refuseAll(
    { signal, transport }: ExportRequest,
    parts: Partitioned,
    reason: string,
  ): ExportOutcome {
    const refused = recordsOf(parts.slices);
    events.received({ transport, signal, accepted: 0, rejected: parts.rejected, shed: 0, refused });
    return refuse('unavailable', reason, RETRY_AFTER_MS);
  }

  function accept(request: ExportRequest, { parts, kept, full }: Accepted): ExportOutcome {
    const { signal, transport, warnings } = request;
    const noun = SIGNAL_FACTS[signal].recordNoun;
    const shed = recordsOf(full);
    events.received({
      transport,
      signal,
      accepted: recordsOf(kept),
      rejected: parts.rejected,
      shed,
      refused: 0,
    });
    for (const { shard, records } of full) events.shed({ shard, signal, records });
    const messages = [
      ...(parts.rejected > 0 ? [`rejected ${parts.rejectedBecause}`] : []),
      ...full.map(({ records, reason }) => `refused ${records} × ${noun}: ${reason}`),
      ...warnings,
    ];
    return { kind: 'accepted', rejected: parts.rejected + shed, message: messages.join('; ') };
  }

  return async request => {
    const { signal } = request;
    const topology = options.topology();
    const parts = split(request, topology);
    if (parts.kind === 'malformed') return refuse('malformed', parts.reason);
    if (parts.kind === 'too many records') {
      const noun = SIGNAL_FACTS[signal].recordNoun;
      return refuse('tooLarge', `request of more than ${MAX_RECORDS} ${noun}s; send smaller batches`);
    }
    if (parts.kind === 'no room') return refuseSlices(parts.sizeBytes);
    const { kept, full } = divide(parts, topology);
    // With nothing to store, a repeat costs the sender nothing but time: ask for it.
    const isRefused = full.length > 0 && (kept.length === 0 || options.onShardFull === 'reject');
    if (!isRefused && kept.length > 0) return await store(request, topology, { parts, kept, full });
    letGo(parts);
    if (isRefused) return refuseAll(request, parts, full.map(({ reason }) => reason).join('; '));
    return accept(request, { parts, kept, full });
  };

  function divide(parts: Partitioned, topology: Topology): Pick<Accepted, 'kept' | 'full'> {
    const kept: PendingSlice[] = [];
    const full: FullSlice[] = [];
    for (const { shard: index, bytes, records } of parts.slices) {
      const shard = ownerOf(topology, index);
      const reason = options.fullReason(shard);
      if (reason === undefined) kept.push({ shard, bytes, records });
      else full.push({ shard, records, reason });
    }
    return { kept, full };
  }

  async function store(
    request: ExportRequest,
    topology: Topology,
    { parts, kept, full }: Accepted,
  ): Promise<ExportOutcome> {
    const { signal, body } = request;
    const outcome = await batcher.store({
      signal,
      topologyVersion: topology.version,
      exportId: exportIdOf({ signal, request: body, topologyVersion: topology.version }, hash),
      deadlineMs: Math.min(
        request.deadlineMs ?? Number.POSITIVE_INFINITY,
        steady.now() + options.storeTimeoutMs,
      ),
      slices: kept,
      onLetGo: () => letGo(parts),
    });
    if (outcome.kind === 'unavailable') return refuseAll(request, parts, outcome.reason);
    if (outcome.isLetGo) buffers.give(parts.memory);
    return accept(request, { parts, kept, full });
  }
}

function ownerOf(topology: Topology, index: number): string {
  return (topology.active[index] as ShardSpec).id;
}

function recordsOf(slices: readonly { readonly records: number }[]): number {
  return slices.reduce((sum, { records }) => sum + records, 0);
}
