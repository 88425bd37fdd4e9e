import { createServer } from 'node:http';
import type { Logger } from 'pino';
import { KEEP_ALIVE_MS, listen } from '../shared/http-listener.ts';
import { type Component, once, stopAll } from '../shared/lifecycle.ts';
import type { Clock } from '../shared/time.ts';
import { createHash } from '../shared/topology/hash.ts';
import type { TopologySource } from '../shared/topology/topology-source.ts';
import { createApp } from './app.ts';
import { createGate, type GateLimits } from './gate.ts';
import { createHeldBytes, type HeldBytesOptions } from './held-bytes.ts';
import { createHoldingShards } from './holdings.ts';
import { createLiveFeed } from './live/live-feed.ts';
import { createReadiness } from './readiness.ts';
import { createShares } from './rows/shares.ts';
import type { ReadLimits } from './run-read.ts';
import { createShardClient } from './shard-client.ts';
import { createShardLog } from './shard-log.ts';
import { createSlowLog } from './slow-log.ts';
import { createQueryTelemetry } from './telemetry/telemetry.ts';
import { createUploads, type UploadLimits } from './writes/uploads.ts';

export interface QueryOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Asked once per read, so that a read sees one topology. */
  readonly topology: Pick<TopologySource, 'current' | 'onChange'>;
  /** Deadline of a read; shards that miss their share of it are reported missing. */
  readonly timeoutMs: number;
  readonly calls: CallLimits;
  readonly limits: ReadLimits & GateLimits & Pick<HeldBytesOptions, 'maxHeldBytes'>;
  readonly writes: GateLimits & UploadLimits;
  /** Queries that take at least so long are logged; 0 logs none. */
  readonly slowQueryMs: number;
  /** Shards that must be ready for `/readyz` to be 200. */
  readonly readyQuorum: number;
  /** How long a client may take nothing of its answer. */
  readonly stallMs?: number;
  readonly logger: Logger;
  readonly clock: Clock;
  /** For pauses; does not jump. */
  readonly steady: Clock;
  /** Evenly from [0, 1). */
  readonly random: () => number;
  /** A new UUIDv7. */
  readonly newId: () => string;
}

/** Of one call of a shard. */
interface CallLimits {
  readonly connectTimeoutMs: number;
  readonly firstByteTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** Largest answer. */
  readonly maxAnswerBytes: number;
  /** Most rows of a signal of a tael-server that figures are computed from. */
  readonly taelRowCap: number;
}

export interface QueryProxy extends Component {
  readonly port: number;
}

const WRITES = { what: 'writes', settings: 'query.writes' };
/** On top of the read deadline, for answers that are still being sent. */
const STOP_GRACE_MS = 2_000;
/** Of the deadline: a call that was silent for so long counts against its shard, a shorter one against its caller. */
const SILENT_SHARE = 0.5;

/** The query proxy: the read API over all shards. Rejects when the address cannot be bound. */
export async function createQuery(options: QueryOptions): Promise<QueryProxy> {
  const { calls, clock, steady, limits, logger, random, timeoutMs, topology } = options;
  const telemetry = createQueryTelemetry();
  const silentMs = timeoutMs * SILENT_SHARE;
  const hash = await createHash();
  const client = createShardClient({
    ...calls,
    silentMs,
    clock,
    steady,
    random,
    hash,
    onCall: telemetry.called,
  });
  topology.onChange(({ all }) => client.keepOnly(all));
  const gate = createGate({ ...limits, onRefused: telemetry.refused });
  const held = createHeldBytes({ ...limits, onRefused: telemetry.refused });
  const writeGate = createGate({ ...options.writes, of: WRITES, onRefused: telemetry.refused });
  const uploads = createUploads({ ...options.writes, onRefused: telemetry.refused });
  const live = createLiveFeed({ topology, random });
  const holding = createHoldingShards({ client, clock: steady });
  const app = createApp({
    ...options,
    topology: topology.current,
    client,
    shares: createShares(),
    live,
    gate,
    held,
    writeGate,
    uploads,
    holding,
    hash,
    shardLog: createShardLog(logger),
    slowLog: createSlowLog(logger, options.slowQueryMs),
    readiness: createReadiness({
      client,
      shards: () => holding.sureAmong(topology.current().shards),
      quorum: options.readyQuorum,
    }),
    requestEnded: telemetry.requestEnded,
    writeEnded: telemetry.writeEnded,
    metrics: () =>
      telemetry.scrape({
        gate,
        held,
        writeGate,
        uploads,
        topology: topology.current(),
        breakerState: client.breakerState,
      }),
  });
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, app);
  const stopGraceMs = timeoutMs + STOP_GRACE_MS;
  const listener = await listen(server, { host: options.host, port: options.port, stopGraceMs });
  return { port: listener.port, stop: once(() => stopAll([live, listener, client])) };
}
