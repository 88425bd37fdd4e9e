import type { ShardSpec } from '../shared/topology/topology.ts';
import { completenessOf, nameMissing } from './completeness.ts';
import { callTwice, type Slot } from './fan-out.ts';
import type { ShardClient } from './shard-client.ts';

export type Readiness = { readonly kind: 'ready' } | { readonly kind: 'not-ready'; readonly reason: string };

export interface ReadinessOptions {
  readonly client: Pick<ShardClient, 'ready'>;
  /** Those that count. */
  readonly shards: () => readonly ShardSpec[];
  /** Shards that must be ready for the proxy to be. */
  readonly quorum: number;
  readonly probeTimeoutMs?: number;
}

/** Orchestrators probe every few seconds and give up after one or two. */
const PROBE_TIMEOUT_MS = 1_000;
/** A shard under heavy queries is slow to say that it is well (contract, D25). */
const SILENCES_TO_BE_DOWN = 3;

/**
 * Whether the proxy is of use: it reaches enough shards. A shard that was ready and does not answer in time stays ready
 * until it has been silent several times in a row; one that says that it is not ready, or cannot be reached, is not.
 * Who asks while a check runs shares it.
 */
export function createReadiness(options: ReadinessOptions): () => Promise<Readiness> {
  const { client, shards: counted, quorum, probeTimeoutMs = PROBE_TIMEOUT_MS } = options;
  /** Of the shards that were ready when they last said anything, how often in a row they have been silent since. */
  const silences = new Map<string, number>();
  let running: Promise<Readiness> | undefined;

  async function probe(shard: ShardSpec): Promise<Slot<unknown>> {
    const startMs = performance.now();
    const signal = AbortSignal.timeout(probeTimeoutMs);
    const outcome = await callTwice(shard, client.ready, signal);
    const slot = { shardId: shard.id, elapsedMs: Math.round(performance.now() - startMs) };
    const silent = silences.get(shard.id);
    if (outcome.kind === 'answered') {
      silences.set(shard.id, 0);
      return { ...slot, ...outcome };
    }
    if (!signal.aborted) {
      silences.delete(shard.id);
      return { ...slot, kind: 'failed', reason: outcome.reason };
    }
    if (silent !== undefined) silences.set(shard.id, silent + 1);
    if (silent !== undefined && silent + 1 < SILENCES_TO_BE_DOWN) {
      return { ...slot, kind: 'answered', value: 'ready' };
    }
    return { ...slot, kind: 'failed', reason: `no answer within ${probeTimeoutMs} ms` };
  }

  async function check(): Promise<Readiness> {
    const shards = completenessOf(await Promise.all(counted().map(probe)));
    if (shards.ok >= quorum) return { kind: 'ready' };
    const reason = `${shards.ok} of ${shards.total} shards are ready, ${quorum} needed; not ready: ${nameMissing(shards)}`;
    return { kind: 'not-ready', reason };
  }

  return () => {
    running ??= check().finally(() => {
      running = undefined;
    });
    return running;
  };
}
