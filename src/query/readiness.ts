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
/**
 * Looks in a row after which a shard that was ready is down (contract, D25): one under heavy queries is slow to say that it
 * is well, and a tael-server may then also refuse or drop a connection.
 */
const LOOKS_TO_BE_DOWN = {
  silent: { embedded: 3, tael: 3 },
  refusing: { embedded: 1, tael: 2 },
} as const;

/**
 * Whether the proxy is of use: it reaches enough shards. A shard that was ready and does not answer in time stays ready
 * until it has been silent several times in a row; one that says that it is not ready, or cannot be reached, is not, a
 * tael-server when it is so twice. Who asks while a check runs shares it.
 */
export function createReadiness(options: ReadinessOptions): () => Promise<Readiness> {
  const { client, shards: counted, quorum, probeTimeoutMs = PROBE_TIMEOUT_MS } = options;
  /** Of the shards that count as ready, how many looks in a row have failed. */
  const failures = new Map<string, number>();
  let running: Promise<Readiness> | undefined;

  async function probe(shard: ShardSpec): Promise<Slot<unknown>> {
    const startMs = performance.now();
    const signal = AbortSignal.timeout(probeTimeoutMs);
    const outcome = await callTwice(shard, client.ready, signal);
    const slot = { shardId: shard.id, elapsedMs: Math.round(performance.now() - startMs) };
    if (outcome.kind === 'answered') {
      failures.set(shard.id, 0);
      return { ...slot, ...outcome };
    }
    const looksToBeDown = LOOKS_TO_BE_DOWN[signal.aborted ? 'silent' : 'refusing'][shard.kind];
    const failed = (failures.get(shard.id) ?? looksToBeDown) + 1;
    if (failed < looksToBeDown) {
      failures.set(shard.id, failed);
      return { ...slot, kind: 'answered', value: 'ready' };
    }
    failures.delete(shard.id);
    const reason = signal.aborted ? `no answer within ${probeTimeoutMs} ms` : outcome.reason;
    return { ...slot, kind: 'failed', reason };
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
