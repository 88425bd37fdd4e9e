import { Cluster, Redis } from 'ioredis';
import type { Logger } from 'pino';
import { once } from '../../shared/lifecycle.ts';
import type { QueueStanding } from './batch-queue.ts';
import { openRedis, type RedisAddress, type RedisClient, writableNodes } from './redis-client.ts';
import { describeFailure, type RedisFailure, UNREACHABLE } from './redis-failure.ts';
import { startHeartbeat } from './redis-heartbeat.ts';
import { judgeRedis, type RedisSuitability } from './redis-suitability.ts';

/** The servers that hold the queue, and whether batches can be stored there now. */
export interface RedisConnection {
  readonly client: RedisClient;
  nodes(): readonly Redis[];
  /** Resolves when the first attempt to connect and to ask has succeeded or failed. */
  readonly firstAttempt: Promise<void>;
  /** Why batches are not safe there, when `requireDurable` forbids to store them for that. */
  unsafeReason(): string | undefined;
  /** Why nothing can be stored, as far as known without asking; with a key, why not under that key. */
  reason(key?: string): string | undefined;
  /** To be told of each failed command for this key. */
  failed(key: string, error: unknown): RedisFailure;
  /** Of all servers together, as they last said. */
  standing(): QueueStanding;
  /** Asks the servers, then answers like `reason`. */
  probe(): Promise<string | undefined>;
  stop(): Promise<void>;
}

export interface RedisConnectionOptions extends Omit<RedisAddress, 'connectTimeoutMs'> {
  /** How long a server may owe an answer before its connection counts as dead. */
  readonly silenceTimeoutMs: number;
  /** Store nothing where it may be lost, instead of warning. */
  readonly requireDurable: boolean;
  /** Payload bytes that the queue may hold. */
  readonly maxQueueBytes: number;
  readonly logger: Logger;
}

const SILENT = 'Redis, which holds the queue, does not answer';
const UNJUDGED = 'Redis, which holds the queue, has not told yet whether it is durable';

const PROBE_INTERVAL_MS = 1000;
const BEATS_PER_SILENCE = 2;

/**
 * Whatever the state of Redis (not started, killed, frozen, full), a command fails soon and works again once Redis
 * does, without a restart.
 */
export function connectRedis(options: RedisConnectionOptions): RedisConnection {
  const { silenceTimeoutMs, requireDurable, logger } = options;
  const client = openRedis({ ...options, connectTimeoutMs: 2 * silenceTimeoutMs });
  const nodes = () => writableNodes(client);
  const isReady = () => client.status === 'ready';
  /** Keys of a cluster whose node failed; each is tried again by the heartbeat until it answers. */
  const troubledKeys = new Map<string, string>();
  const appendFsyncs = new WeakMap<Redis, string | undefined>();
  const told = new Set<string>();
  let verdicts: readonly RedisSuitability[] | undefined;
  const heartbeat = startHeartbeat({
    nodes,
    intervalMs: silenceTimeoutMs / BEATS_PER_SILENCE,
    maxSilentBeats: BEATS_PER_SILENCE,
  });
  let wasReady = false;
  /** After a fail-over the address may lead to the new master, but only a new connection goes there. */
  let isReplica = false;

  client.on('ready', () => {
    wasReady = true;
    verdicts = undefined;
    logger.info('connected to Redis');
  });
  client.on('close', () => {
    if (wasReady) logger.warn('lost the connection to Redis');
    wasReady = false;
  });
  // Every failed attempt to reconnect is one; the two events above tell the story once.
  client.on('error', error => logger.debug({ err: error }, 'Redis connection error'));

  function unsafeReason(): string | undefined {
    if (!requireDurable) return undefined;
    const risk = verdicts?.flatMap(({ risks }) => risks)[0];
    return (
      risk &&
      `Redis, which holds the queue, may lose batches, which queue.redis.requireDurable forbids: ${risk}`
    );
  }

  function reason(key?: string): string | undefined {
    if (!isReady()) return UNREACHABLE;
    if (client instanceof Redis && heartbeat.isSilent(client)) return SILENT;
    if (requireDurable && verdicts === undefined) return UNJUDGED;
    const refusal = verdicts?.find(verdict => verdict.refusal !== undefined)?.refusal;
    return refusal ?? unsafeReason() ?? (key === undefined ? undefined : troubledKeys.get(key));
  }

  async function judge(node: Redis): Promise<RedisSuitability> {
    if (!appendFsyncs.has(node)) appendFsyncs.set(node, await appendFsyncOf(node));
    const info = await Promise.all([infoOf(node, 'memory'), infoOf(node, 'persistence')]);
    const appendFsync = appendFsyncs.get(node);
    // The nodes of a cluster have about as many lanes each.
    const maxQueueBytes = Math.round(options.maxQueueBytes / Math.max(1, nodes().length));
    return judgeRedis({ info: info.join('\n'), appendFsync, maxQueueBytes });
  }

  let probing: Promise<string | undefined> | undefined;
  /** Whoever asks while the servers are being asked gets the same answer. */
  function probe(): Promise<string | undefined> {
    probing ??= askAll().finally(() => {
      probing = undefined;
    });
    return probing;
  }

  async function askAll(): Promise<string | undefined> {
    if (isReplica && client instanceof Redis) client.disconnect(true);
    isReplica = false;
    if (!isReady()) return UNREACHABLE;
    const answers = await Promise.allSettled(nodes().map(judge));
    const failed = answers.find(answer => answer.status === 'rejected');
    const judged = answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []));
    // A node of a cluster that is away costs its own keys only.
    if (failed !== undefined && judged.length === 0) return describeFailure(failed.reason).reason;
    verdicts = judged;
    for (const { risks, advice } of judged) {
      for (const risk of risks) warnOnce(`Redis, which holds the queue, may lose batches: ${risk}`);
      for (const hint of advice) warnOnce(`Redis, which holds the queue, may run out of memory: ${hint}`);
    }
    return reason();
  }

  function warnOnce(message: string): void {
    if (!told.has(message)) logger.warn(message);
    told.add(message);
  }

  function retryTroubledKeys(): void {
    for (const key of troubledKeys.keys()) {
      client.exists(key).then(
        () => troubledKeys.delete(key),
        () => undefined,
      );
    }
  }

  const timer = setInterval(() => void probe(), PROBE_INTERVAL_MS);
  const retryTimer = setInterval(retryTroubledKeys, silenceTimeoutMs / BEATS_PER_SILENCE);
  client.on('ready', () => void probe());
  const firstAttempt = new Promise<void>(resolve => {
    client.once('ready', () => void probe().finally(resolve));
    client.once('error', () => resolve());
    client.once('close', () => resolve());
  });

  return {
    client,
    nodes,
    firstAttempt,
    unsafeReason,
    reason,
    failed(key, error) {
      const failure = describeFailure(error);
      if (failure.isReadOnly) isReplica = true;
      if (!failure.isRefusal && client instanceof Cluster) troubledKeys.set(key, failure.reason);
      return failure;
    },
    standing() {
      const shares = verdicts?.flatMap(({ memoryShare }) => memoryShare ?? []) ?? [];
      return {
        risks: [...new Set(verdicts?.flatMap(({ risks }) => risks))],
        memoryShare: shares.length === 0 ? undefined : Math.max(...shares),
      };
    },
    probe,
    stop: once(async () => {
      clearInterval(timer);
      clearInterval(retryTimer);
      wasReady = false;
      // The heartbeat goes on: it also ends the wait for a server that does not answer this.
      await client.quit().catch(() => client.disconnect());
      heartbeat.stop();
    }),
  };
}

/** `undefined` where a managed Redis does not allow the question. */
async function appendFsyncOf(node: Redis): Promise<string | undefined> {
  const reply = await unlessForbidden(node.config('GET', 'appendfsync'));
  return Array.isArray(reply) ? String(reply[1]) : undefined;
}

async function infoOf(node: Redis, section: string): Promise<string> {
  return (await unlessForbidden(node.info(section))) ?? '';
}

async function unlessForbidden<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') return undefined;
    throw error;
  }
}
