import { type ExportHandler, type ExportOutcome, refuse } from '../shared/otlp/door.ts';
import { SIGNAL_FACTS } from '../shared/otlp/signal.ts';
import type { WireCheck } from '../shared/otlp/wire-check.ts';
import type { Hash } from '../shared/topology/hash.ts';
import type { ShardSpec, Topology } from '../shared/topology/topology.ts';
import type { Batcher } from './batcher.ts';
import { exportIdOf } from './export-id.ts';
import { MAX_RECORDS, partition, type Slice } from './partition/partition.ts';

interface ReceiverOptions {
  /** The topology in force now; one request is split by one version of it. */
  readonly topology: () => Topology;
  readonly check: WireCheck;
  readonly hash: Hash;
  readonly batcher: Batcher;
  /** Why a shard's queue takes nothing more, or `undefined` while it has room. */
  readonly fullReason: (shard: string) => string | undefined;
}

/** Senders in the field give up after seconds, so they are asked back soon; the queue absorbs what is longer. */
const RETRY_AFTER_MS = 1000;

/**
 * Takes one export: split by shard, store every slice, answer. The answer is given after the queue has the bytes
 * durably, never before. If any slice could not be stored the whole request is refused as retryable; the shards
 * recognise the slices of its repeat that they have by then.
 */
export function createReceiver(options: ReceiverOptions): ExportHandler {
  return async ({ signal, body, warnings }): Promise<ExportOutcome> => {
    const malformed = options.check(signal, body);
    if (malformed !== undefined) {
      return refuse('malformed', `body is not an OTLP ${signal} request: ${malformed}`);
    }
    const topology = options.topology();
    const parts = partition({
      signal,
      request: body,
      shardOf: key => topology.owners[options.hash.slot(key)] as number,
    });
    if (parts.kind === 'malformed') return refuse('malformed', parts.reason);
    if (parts.kind === 'too many records') {
      const noun = SIGNAL_FACTS[signal].recordNoun;
      return refuse('tooLarge', `request of more than ${MAX_RECORDS} ${noun}s; send smaller batches`);
    }

    const ownerOf = (slice: Slice) => topology.active[slice.shard] as ShardSpec;
    const shed = parts.slices.flatMap(slice => {
      const reason = options.fullReason(ownerOf(slice).id);
      return reason === undefined ? [] : [{ slice, reason }];
    });
    // With nothing to store, a repeat costs the sender nothing but time: ask for it.
    if (shed.length > 0 && shed.length === parts.slices.length) {
      return refuse('unavailable', shed.map(({ reason }) => reason).join('; '), RETRY_AFTER_MS);
    }
    const refused = new Set(shed.map(({ slice }) => slice));
    const exportId = exportIdOf({ signal, request: body, topologyVersion: topology.version }, options.hash);
    const stored = await Promise.all(
      parts.slices
        .filter(slice => !refused.has(slice))
        .map(slice =>
          options.batcher.store({
            shard: ownerOf(slice).id,
            signal,
            topologyVersion: topology.version,
            exportId,
            bytes: slice.bytes,
            records: slice.records,
          }),
        ),
    );
    const failure = stored.find(outcome => outcome.kind === 'unavailable');
    if (failure !== undefined) return refuse('unavailable', failure.reason, RETRY_AFTER_MS);

    const noun = SIGNAL_FACTS[signal].recordNoun;
    const messages = [
      ...(parts.rejected > 0 ? [`rejected ${parts.rejectedBecause}`] : []),
      ...shed.map(({ slice, reason }) => `refused ${slice.records} × ${noun}: ${reason}`),
      ...warnings,
    ];
    const shedRecords = shed.reduce((sum, { slice }) => sum + slice.records, 0);
    return { kind: 'accepted', rejected: parts.rejected + shedRecords, message: messages.join('; ') };
  };
}
