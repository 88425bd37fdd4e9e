import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { once } from '../../shared/lifecycle.ts';

/** One connection to the Redis that holds the queue, and whether batches can be stored there now. */
export interface RedisConnection {
  readonly client: Redis;
  /** Resolves when the first attempt to connect has succeeded or failed. */
  readonly firstAttempt: Promise<void>;
  /** Why nothing can be stored, as far as known without asking. */
  reason(): string | undefined;
  /** Asks Redis, then answers like `reason`. */
  probe(): Promise<string | undefined>;
  stop(): Promise<void>;
}

export interface RedisConnectionOptions {
  readonly url: string;
  /** Longest wait for one answer; past it the outcome of a command is unknown. */
  readonly commandTimeoutMs: number;
  readonly logger: Logger;
}

const PROBE_INTERVAL_MS = 1000;
const MAX_RECONNECT_DELAY_MS = 1000;

/** Claiming needs memory too: a Redis that was filled to the brim could never be drained. */
const MAX_MEMORY_SHARE = 0.8;

/**
 * Connects in the background and for ever. Whatever the state of Redis (not started, killed, frozen, full), a
 * command fails within the timeout and works again once Redis does, without a restart: nothing waits in an offline
 * queue, nothing is sent again after a reconnect, and a silent server is disconnected from.
 */
export function connectRedis({ url, commandTimeoutMs, logger }: RedisConnectionOptions): RedisConnection {
  const client = new Redis(url, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: commandTimeoutMs,
    socketTimeout: 2 * commandTimeoutMs,
    connectTimeout: 2 * commandTimeoutMs,
    retryStrategy: attempts => Math.min(50 * attempts, MAX_RECONNECT_DELAY_MS),
  });
  let limit: string | undefined;
  let wasReady = false;

  client.on('ready', () => {
    wasReady = true;
    logger.info('connected to Redis');
  });
  client.on('close', () => {
    if (wasReady) logger.warn('lost the connection to Redis');
    wasReady = false;
  });
  // Every failed attempt to reconnect is one; the two events above tell the story once.
  client.on('error', error => logger.debug({ err: error }, 'Redis connection error'));

  function reason(): string | undefined {
    return client.status === 'ready' ? limit : 'Redis, which holds the queue, is not reachable';
  }

  async function probe(): Promise<string | undefined> {
    if (client.status !== 'ready') return reason();
    try {
      limit = storageLimit(await client.info('memory'));
      return reason();
    } catch (error) {
      return redisFailure(error);
    }
  }

  const timer = setInterval(() => void probe(), PROBE_INTERVAL_MS);
  client.on('ready', () => void probe());
  const firstAttempt = new Promise<void>(resolve => {
    client.once('ready', () => resolve());
    client.once('error', () => resolve());
    client.once('close', () => resolve());
  });

  return {
    client,
    firstAttempt,
    reason,
    probe,
    stop: once(async () => {
      clearInterval(timer);
      wasReady = false;
      await client.quit().catch(() => client.disconnect());
    }),
  };
}

/** What to tell a sender about a command that Redis refused or did not answer. */
export function redisFailure(error: unknown): string {
  return `Redis, which holds the queue, failed: ${failureText(error)}`;
}

function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'MaxRetriesPerRequestError' ? 'the connection was lost' : error.message;
}

/** Reads `INFO memory`. Settings that a managed Redis hides count as fine. */
function storageLimit(info: string): string | undefined {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  const policy = field('maxmemory_policy') ?? 'noeviction';
  if (policy.startsWith('allkeys')) {
    return `Redis evicts keys (maxmemory-policy ${policy}), batches among them; it must be noeviction`;
  }
  const usedBytes = Number(field('used_memory') ?? 0);
  const maxBytes = Number(field('maxmemory') ?? 0);
  if (maxBytes === 0 || usedBytes < MAX_MEMORY_SHARE * maxBytes) return undefined;
  return `Redis uses ${usedBytes} of ${maxBytes} bytes; the queue stores up to ${MAX_MEMORY_SHARE * 100} %`;
}
