import type { Redis } from 'ioredis';

/**
 * The accounts of one lane in Redis, changed by scripts that may run any number of times. All keys of a lane carry
 * its hash tag, so that a script runs on one node of a cluster.
 */
export interface LaneKeys {
  /** Stored form of one batch. No expiry: a payload leaves only with its batch. */
  payload(id: string): string;
  /** Sorted set: ids not settled, by acceptance time. */
  readonly ledger: string;
  /** Hash: id not settled → its ledger entry as JSON. */
  readonly entries: string;
  /** Hash: `sizeBytes`, and `accepted:`, `delivered:` and `deadLettered:` records per signal. */
  readonly counters: string;
  /** Sorted set: ids delivered a while ago, by the time of it. */
  readonly settled: string;
  /** Hash: dead-lettered id → its entry, reason and time as JSON; the payload stays. */
  readonly dead: string;
}

const PREFIX = 'otelfan';

export function laneKeys(hashTag: string): LaneKeys {
  const key = (name: string) => `${PREFIX}:${hashTag}:batches:${name}`;
  return {
    payload: id => key(`payload:${id}`),
    ledger: key('ledger'),
    entries: key('entries'),
    counters: key('counters'),
    settled: key('settled'),
    dead: key('dead'),
  };
}

/**
 * KEYS payload ledger entries counters settled dead job | ARGV id encoded acceptedAtMs entry signal records sizeBytes.
 * Refuses a batch without its job, so that a transaction in which adding the job failed stores nothing.
 */
const ACCEPT = `
if redis.call('EXISTS', KEYS[7]) == 0 then return redis.error_reply('NOJOB the job was not added') end
if redis.call('HEXISTS', KEYS[3], ARGV[1]) == 1 or redis.call('HEXISTS', KEYS[6], ARGV[1]) == 1
  or redis.call('ZSCORE', KEYS[5], ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
redis.call('HINCRBY', KEYS[4], 'accepted:' .. ARGV[5], ARGV[6])
redis.call('HINCRBY', KEYS[4], 'sizeBytes', ARGV[7])
return 1`;

/**
 * KEYS payload ledger entries counters settled dead | ARGV id kind nowMs forgetUntilMs reason(JSON).
 * Begins with a command that a full Redis allows; the rest of a script that has written is then allowed too. No
 * command after it may fail, as a script is not undone: hence `0 - n`, because `-n` of 0 is `-0`, not an integer.
 */
const SETTLE = `
local stored = redis.call('HGET', KEYS[3], ARGV[1])
if not stored then return 0 end
local entry = cjson.decode(stored)
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HINCRBY', KEYS[4], 'sizeBytes', 0 - entry.sizeBytes)
if ARGV[2] == 'dead' then
  redis.call('HINCRBY', KEYS[4], 'deadLettered:' .. entry.signal, entry.records)
  redis.call('HSET', KEYS[6], ARGV[1], '{"entry":' .. stored .. ',"reason":' .. ARGV[5] .. ',"deadAtMs":' .. ARGV[3] .. '}')
else
  redis.call('HINCRBY', KEYS[4], 'delivered:' .. entry.signal, entry.records)
  redis.call('DEL', KEYS[1])
  redis.call('ZADD', KEYS[5], ARGV[3], ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', ARGV[4])
end
return 1`;

export const ACCEPT_SCRIPT = 'otelfanAccept';
export const SETTLE_SCRIPT = 'otelfanSettle';

export function defineScripts(client: Redis): void {
  client.defineCommand(ACCEPT_SCRIPT, { numberOfKeys: 7, lua: ACCEPT });
  client.defineCommand(SETTLE_SCRIPT, { numberOfKeys: 6, lua: SETTLE });
}
