import { mayHaveMoved, type ShardSpec, type Topology } from '../../shared/topology/topology.ts';
import { fanOut } from '../fan-out.ts';
import type { HoldingShards } from '../holdings.ts';
import type { ShardClient } from '../shard-client.ts';
import type { SnapshotRows } from '../shard-reader.ts';

export interface SpanIds {
  /** 32 lower-case hex digits. */
  readonly traceId: string;
  /** 16 lower-case hex digits. */
  readonly spanId: string;
}

export interface HolderOptions {
  readonly client: Pick<ShardClient, 'reader'>;
  readonly holding: Pick<HoldingShards, 'among'>;
  readonly topology: Topology;
  /** The shard that new spans of the trace go to. */
  readonly owner: ShardSpec;
  readonly timeoutMs: number;
  /** When the time began to run, on the clock of `performance.now()`. */
  readonly startMs: number;
}

export type Holder =
  | { readonly kind: 'known'; readonly shard: ShardSpec }
  /** No shard said that it has the span, and this one did not say that it has not. */
  | { readonly kind: 'unknown'; readonly shardId: string; readonly reason: string };

/**
 * The shard that a span is to be replaced on. Stored spans do not move, and a shard replaces only what it has itself: so
 * it is the one that has the span, which under an earlier topology may have been another than the owner, and the owner
 * when nobody has it.
 */
export async function holderOf(
  ids: SpanIds,
  { client, holding, topology, owner, timeoutMs, startMs }: HolderOptions,
): Promise<Holder> {
  if (!mayHaveMoved(topology)) return { kind: 'known', shard: owner };
  const reads = [{ name: 'trace', request: ids }] as const;
  const found = new AbortController();
  let holder: ShardSpec | undefined;
  const slots = await fanOut({
    shards: holding.among(topology.shards),
    call: async (shard, signal) => {
      const outcome = await client.reader().snapshot(shard, { reads }, signal);
      if (outcome.kind === 'answered' && hasRow(outcome.value)) {
        holder ??= shard;
        found.abort();
      }
      return outcome;
    },
    timeoutMs,
    startMs,
    signal: found.signal,
    failFast: false,
  });
  if (holder !== undefined) return { kind: 'known', shard: holder };
  for (const slot of slots) {
    if (slot.kind !== 'answered') return { kind: 'unknown', shardId: slot.shardId, reason: slot.reason };
  }
  return { kind: 'known', shard: owner };
}

/** One that did not fit into the answer is one as well. */
function hasRow({ rows, cuts }: SnapshotRows): boolean {
  return rows.some(count => count > 0) || cuts.some(cut => cut !== undefined);
}
