import { join } from 'node:path';
import { forkChild } from '../load/child.ts';
import { openSockets } from './open-sockets.ts';

export type ReplicaHostOrder =
  | {
      readonly kind: 'start';
      readonly replicas: number;
      readonly redisUrl: string;
      /** OTLP doors of the shards. */
      readonly shardPorts: readonly number[];
    }
  | { readonly kind: 'look' };

export interface ReplicaHostState {
  readonly httpPorts: readonly number[];
  /** Of all replicas together, so far. */
  readonly cpuSeconds: number;
}

/** Ingest replicas over one Redis, a few of them in each of some processes. */
export interface ReplicaHost {
  readonly urls: readonly string[];
  /** Of all replicas together, so far. */
  cpuSeconds(): Promise<number>;
  openSockets(): number;
  stop(): Promise<void>;
}

/** More in one process wait for each other until they take Redis for dead. */
const REPLICAS_PER_PROCESS = 8;

export async function startReplicas(
  plan: Omit<ReplicaHostOrder & { kind: 'start' }, 'kind'>,
): Promise<ReplicaHost> {
  const hosts: Host[] = [];
  for (let left = plan.replicas; left > 0; left -= REPLICAS_PER_PROCESS) {
    hosts.push(await startHost({ ...plan, replicas: Math.min(left, REPLICAS_PER_PROCESS) }));
  }
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  return {
    urls: hosts.flatMap(host => host.urls),
    cpuSeconds: async () => sum(await Promise.all(hosts.map(host => host.cpuSeconds()))),
    openSockets: () => sum(hosts.map(host => openSockets(host.pid))),
    stop: async () => void (await Promise.all(hosts.map(host => host.stop()))),
  };
}

interface Host extends Omit<ReplicaHost, 'openSockets'> {
  readonly pid: number;
}

async function startHost(plan: Omit<ReplicaHostOrder & { kind: 'start' }, 'kind'>): Promise<Host> {
  const file = join(import.meta.dirname, 'replica-host.ts');
  const { pid, tell, stop } = forkChild<ReplicaHostOrder, ReplicaHostState>(file);
  const { httpPorts } = await tell({ kind: 'start', ...plan });
  return {
    pid,
    urls: httpPorts.map(port => `http://127.0.0.1:${port}`),
    cpuSeconds: async () => (await tell({ kind: 'look' })).cpuSeconds,
    stop,
  };
}
