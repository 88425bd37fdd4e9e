import type { Topology } from '../shared/topology/topology.ts';
import { completenessOf, nameMissing } from './completeness.ts';
import { fanOut } from './fan-out.ts';
import type { ShardClient } from './shard-client.ts';

export type Readiness = { readonly kind: 'ready' } | { readonly kind: 'not-ready'; readonly reason: string };

export interface ReadinessOptions {
  readonly client: ShardClient;
  readonly topology: () => Topology;
  /** Shards that must be ready for the proxy to be. */
  readonly quorum: number;
}

/** Orchestrators probe every few seconds and give up after one or two. */
const PROBE_TIMEOUT_MS = 1_000;

/** The proxy is of use while it reaches enough shards. */
export async function checkReadiness({ client, topology, quorum }: ReadinessOptions): Promise<Readiness> {
  const slots = await fanOut({
    shards: topology().shards,
    call: (shard, signal) => client.ready(shard, signal),
    timeoutMs: PROBE_TIMEOUT_MS,
    signal: new AbortController().signal,
    failFast: false,
  });
  const shards = completenessOf(slots);
  if (shards.ok >= quorum) return { kind: 'ready' };
  const reason = `${shards.ok} of ${shards.total} shards are ready, ${quorum} needed; not ready: ${nameMissing(shards)}`;
  return { kind: 'not-ready', reason };
}
