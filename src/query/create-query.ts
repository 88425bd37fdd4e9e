import { createServer } from 'node:http';
import type { Logger } from 'pino';
import { KEEP_ALIVE_MS, listen } from '../shared/http-listener.ts';
import { type Component, once, stopAll } from '../shared/lifecycle.ts';
import type { Clock } from '../shared/time.ts';
import type { Topology } from '../shared/topology/topology.ts';
import type { TopologySource } from '../shared/topology/topology-source.ts';
import { createApp } from './app.ts';
import { createLiveFeed } from './live/live-feed.ts';
import { checkReadiness } from './readiness.ts';
import { createShardClient } from './shard-client.ts';
import { createShardLog } from './shard-log.ts';

export interface QueryOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Asked once per read, so that a read sees one topology. */
  readonly topology: () => Topology;
  /** Streams go on for longer than a read, and follow the topology. */
  readonly onTopologyChange: TopologySource['onChange'];
  /** Deadline of a read; shards that miss it are reported missing. */
  readonly timeoutMs: number;
  /** Largest `limit` of a read. */
  readonly maxRows: number;
  /** Shards that must be ready for `/readyz` to be 200. */
  readonly readyQuorum: number;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Evenly from [0, 1); spreads retries. */
  readonly random: () => number;
}

export interface QueryProxy extends Component {
  readonly port: number;
}

const MAX_SHARD_ANSWER_BYTES = 64 * 1024 * 1024;
/** On top of the read deadline, for answers that are still being sent. */
const STOP_GRACE_MS = 2_000;

/** The query proxy: the read API over all shards. Rejects when the address cannot be bound. */
export async function createQuery(options: QueryOptions): Promise<QueryProxy> {
  const { topology, logger } = options;
  const client = createShardClient({ maxAnswerBytes: MAX_SHARD_ANSWER_BYTES });
  const live = createLiveFeed(options);
  const app = createApp({
    ...options,
    client,
    live,
    shardLog: createShardLog(logger),
    readiness: () => checkReadiness({ client, topology, quorum: options.readyQuorum }),
  });
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, app);
  const stopGraceMs = options.timeoutMs + STOP_GRACE_MS;
  const listener = await listen(server, { host: options.host, port: options.port, stopGraceMs });
  return { port: listener.port, stop: once(() => stopAll([live, listener, client])) };
}
