import type { ScriptClient } from './script-client.ts';

/*
 * Scripts may run any number of times. One that may enlarge memory begins with the command that a full Redis refuses;
 * one that must work on a full Redis begins with a command that it allows: once a script has written, the rest is
 * allowed, too. No later command may fail, as a script is not undone: hence `0 - n`, because `-n` of 0 is `-0`, which
 * is no integer.
 */

const NEEDS_JOB = `
if redis.call('EXISTS', KEYS[8]) == 0 then return redis.error_reply('NOJOB the job was not added') end`;

/**
 * KEYS accounts job | ARGV id acceptedAtMs entry signal records sizeBytes head payload. 1 when the batch was not known.
 * Refuses a batch without its job, so that a transaction in which adding the job failed stores nothing.
 */
const ACCEPT = `${NEEDS_JOB}
if redis.call('HEXISTS', KEYS[3], ARGV[1]) == 1 or redis.call('HEXISTS', KEYS[6], ARGV[1]) == 1
  or redis.call('ZSCORE', KEYS[5], ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[7] .. ARGV[8])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
redis.call('HINCRBY', KEYS[4], 'accepted:' .. ARGV[4], ARGV[5])
redis.call('HINCRBY', KEYS[4], 'sizeBytes', ARGV[6])
return 1`;

/**
 * KEYS accounts, payload of each part | ARGV id counter nowMs forgetUntilMs reason(JSON), then of each part: id
 * encoded entry reason(JSON). `counter` is `delivered`, `rerouted` or `deadLettered`; the records of parts are
 * dead-lettered instead.
 */
const SETTLE = `
local stored = redis.call('HGET', KEYS[3], ARGV[1])
if not stored then return 0 end
local function keepDead(id, entry, reason)
  redis.call('HSET', KEYS[6], id, '{"entry":' .. entry .. ',"reason":' .. reason .. ',"deadAtMs":' .. ARGV[3] .. '}')
  redis.call('ZADD', KEYS[7], ARGV[3], id)
end
local entry = cjson.decode(stored)
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HINCRBY', KEYS[4], 'sizeBytes', 0 - entry.sizeBytes)
local records = entry.records
for part = 8, #KEYS do
  local at = 6 + (part - 8) * 4
  local partRecords = cjson.decode(ARGV[at + 2]).records
  redis.call('SET', KEYS[part], ARGV[at + 1])
  redis.call('HINCRBY', KEYS[4], 'deadLettered:' .. entry.signal, partRecords)
  keepDead(ARGV[at], ARGV[at + 2], ARGV[at + 3])
  records = records - partRecords
end
redis.call('HINCRBY', KEYS[4], ARGV[2] .. ':' .. entry.signal, records)
if ARGV[2] == 'deadLettered' then
  keepDead(ARGV[1], stored, ARGV[5])
else
  redis.call('DEL', KEYS[1])
  redis.call('ZADD', KEYS[5], ARGV[3], ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', ARGV[4])
end
return 1`;

/** KEYS accounts job | ARGV id acceptedAtMs entry signal records sizeBytes. 1 when there was such a dead letter. */
const REPLAY = `${NEEDS_JOB}
if redis.call('HEXISTS', KEYS[6], ARGV[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
redis.call('HINCRBY', KEYS[4], 'deadLettered:' .. ARGV[4], 0 - ARGV[5])
redis.call('HINCRBY', KEYS[4], 'sizeBytes', ARGV[6])
redis.call('HDEL', KEYS[6], ARGV[1])
redis.call('ZREM', KEYS[7], ARGV[1])
return 1`;

/** KEYS accounts | ARGV id nowMs. 1 when there was such a dead letter. */
const PURGE = `
if redis.call('HDEL', KEYS[6], ARGV[1]) == 0 then return 0 end
redis.call('ZREM', KEYS[7], ARGV[1])
redis.call('DEL', KEYS[1])
redis.call('ZADD', KEYS[5], ARGV[2], ARGV[1])
return 1`;

/**
 * KEYS prioritized wait ledger (the first two BullMQ's) | ARGV backlogUntilMs. BullMQ hands out the list `wait` first,
 * where released jobs are, then the sorted set `prioritized` in order of arrival. This puts a fresh one in front of
 * both: the next in order, or the last to arrive when the next is backlog.
 */
const FRESH_FIRST = `
local id = redis.call('ZRANGE', KEYS[1], 0, 0)[1]
if not id then return 0 end
local acceptedAtMs = redis.call('ZSCORE', KEYS[3], id)
if acceptedAtMs and tonumber(acceptedAtMs) <= tonumber(ARGV[1]) then
  id = redis.call('ZRANGE', KEYS[1], 0, 0, 'REV')[1]
end
redis.call('RPUSH', KEYS[2], id)
redis.call('ZREM', KEYS[1], id)
return 1`;

/**
 * KEYS ledger | ARGV from to jobKeyPrefix. How many ids there are at these positions, and those that have no job.
 * Asked in one step: between two, a batch could be settled.
 */
const JOBLESS = `
local ids = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2])
local jobless = {}
for _, id in ipairs(ids) do
  if redis.call('EXISTS', ARGV[3] .. id) == 0 then table.insert(jobless, id) end
end
return { #ids, jobless }`;

/**
 * KEYS delayed active stalledCheck (BullMQ's) | ARGV dueScore latestScore leaseMs jobKeyPrefix. What a clock that has
 * been set back since would hold up. Jobs that are due after the latest score become due at the other: our clock, or one
 * that is far ahead, delayed them. No lock lives for longer than a lease, nor does what puts the check of locks off: they
 * end by the clock of Redis.
 */
const RECALL = `
local function shorten(key)
  if redis.call('PTTL', key) > tonumber(ARGV[3]) then redis.call('PEXPIRE', key, ARGV[3]) end
end
for _, id in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do shorten(ARGV[4] .. id .. ':lock') end
shorten(KEYS[3])
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[2], '+inf', 'LIMIT', 0, 1000)
for _, id in ipairs(ids) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZADD', KEYS[1], ARGV[1], id)
end
return #ids`;

/*
 * Snapshots are scripts rather than transactions, into which a full Redis lets nothing, not even reads.
 */

/** KEYS counters ledger dead. The counters as a flat list, batches, the oldest with its score, dead letters. */
const STATS = `
return {
  redis.call('HGETALL', KEYS[1]),
  redis.call('ZCARD', KEYS[2]),
  redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES'),
  redis.call('HLEN', KEYS[3])
}`;

/** KEYS counters entries. The counters as a flat list, the entry of each batch. */
const AUDIT = `return { redis.call('HGETALL', KEYS[1]), redis.call('HVALS', KEYS[2]) }`;

export const ACCEPT_SCRIPT = 'otelfanAccept';
export const SETTLE_SCRIPT = 'otelfanSettle';
export const REPLAY_SCRIPT = 'otelfanReplay';
export const PURGE_SCRIPT = 'otelfanPurge';
export const FRESH_FIRST_SCRIPT = 'otelfanFreshFirst';
export const JOBLESS_SCRIPT = 'otelfanJobless';
export const RECALL_SCRIPT = 'otelfanRecall';
export const STATS_SCRIPT = 'otelfanStats';
export const AUDIT_SCRIPT = 'otelfanAudit';

export function defineScripts(client: ScriptClient): void {
  client.defineScript(ACCEPT_SCRIPT, ACCEPT);
  client.defineScript(SETTLE_SCRIPT, SETTLE);
  client.defineScript(REPLAY_SCRIPT, REPLAY);
  client.defineScript(PURGE_SCRIPT, PURGE);
  client.defineScript(FRESH_FIRST_SCRIPT, FRESH_FIRST);
  client.defineScript(JOBLESS_SCRIPT, JOBLESS);
  client.defineScript(RECALL_SCRIPT, RECALL);
  client.defineScript(STATS_SCRIPT, STATS);
  client.defineScript(AUDIT_SCRIPT, AUDIT);
}
