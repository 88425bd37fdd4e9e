import { Cluster, Redis } from 'ioredis';

export type RedisClient = Redis | Cluster;

export interface RedisAddress {
  /** `redis://` or `rediss://`; of any node when it is a cluster. */
  readonly url: string;
  /** Whether it is a Redis Cluster. */
  readonly cluster: boolean;
  /** Longest wait for a connection to be made. Whether it is then answered on is for a heartbeat to see. */
  readonly connectTimeoutMs: number;
}

const MAX_RECONNECT_DELAY_MS = 1000;

/**
 * Connects in the background and for ever, with one connection to each server. Nothing waits in an offline queue and
 * nothing is sent again after a reconnect: what cannot be sent fails at once, and what was sent is known to be lost
 * when the connection is.
 */
export function openRedis(address: RedisAddress): RedisClient {
  return address.cluster ? openCluster(address) : openServer(address);
}

/** The connections to servers that can be written to, as far as they are known. */
export function writableNodes(client: RedisClient): readonly Redis[] {
  return client instanceof Cluster ? client.nodes('master') : [client];
}

/**
 * Lets everything that is sent until the end of this turn of the event loop leave in one write: for small commands,
 * the writes cost more than the rest of them.
 */
export function gatherWrites(client: RedisClient): void {
  if (client instanceof Cluster) return;
  const { stream } = client;
  if (stream === undefined || stream.writableCorked > 0) return;
  stream.cork();
  setImmediate(() => stream.uncork());
}

const retryStrategy = (attempts: number) => Math.min(50 * attempts, MAX_RECONNECT_DELAY_MS);

function connectionOptions({ connectTimeoutMs }: RedisAddress) {
  return {
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: connectTimeoutMs,
  };
}

function openServer(address: RedisAddress): Redis {
  return new Redis(address.url, { ...connectionOptions(address), enableOfflineQueue: false, retryStrategy });
}

/** Long enough for a node to be replaced unnoticed only where nothing is sent to it. */
const SLOTS_REFRESH_INTERVAL_MS = 5000;

function openCluster(address: RedisAddress): Cluster {
  const { hostname, port, username, password, protocol } = new URL(address.url);
  return new Cluster([{ host: hostname, port: Number(port || 6379) }], {
    enableOfflineQueue: false,
    clusterRetryStrategy: retryStrategy,
    // A node that is gone is for the sender to hear of, not for the client to wait for.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    slotsRefreshTimeout: address.connectTimeoutMs,
    slotsRefreshInterval: SLOTS_REFRESH_INTERVAL_MS,
    // Certificates are for the names that nodes tell of each other.
    dnsLookup: (host, callback) => callback(null, host),
    redisOptions: {
      ...connectionOptions(address),
      ...(username !== '' && { username: decodeURIComponent(username) }),
      ...(password !== '' && { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' && { tls: {} }),
    },
  });
}
