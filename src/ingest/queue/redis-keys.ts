/** The accounts of one lane. All keys carry its hash tag, so that a script runs on one node of a cluster. */
export interface LaneKeys {
  /** Stored form of one batch. No expiry: a payload leaves only with its batch. */
  payload(id: string): string;
  /** Sorted set: ids not settled, by acceptance time. */
  readonly ledger: string;
  /** Hash: id not settled → its ledger entry as JSON. */
  readonly entries: string;
  /** Hash: `sizeBytes`, and `accepted:`, `delivered:`, `deadLettered:` and `rerouted:` records per signal. */
  readonly counters: string;
  /** Sorted set: ids delivered, rerouted or purged a while ago, by the time of it. */
  readonly settled: string;
  /** Hash: dead-lettered id → its entry, reason and time as JSON; the payload stays. */
  readonly dead: string;
  /** Sorted set: dead-lettered ids by the time they became one. */
  readonly deadTimes: string;
}

/** Prefix of every key, BullMQ's included. */
export const PREFIX = 'otelfan';

/** Set: every shard that ever had a batch. In a slot of its own, so never part of a lane's transaction. */
export const SHARDS_KEY = `${PREFIX}:shards`;

/** Name of a lane's BullMQ queue; the braces make it the hash tag of all its keys. */
export function laneName(shard: string): string {
  return `{otelfan-${shard}}`;
}

export function laneKeys(shard: string): LaneKeys {
  const key = (name: string) => `${PREFIX}:${laneName(shard)}:batches:${name}`;
  return {
    payload: id => key(`payload:${id}`),
    ledger: key('ledger'),
    entries: key('entries'),
    counters: key('counters'),
    settled: key('settled'),
    dead: key('dead'),
    deadTimes: key('dead-times'),
  };
}

/** The order in which every script that changes accounts gets them, before further keys. */
export function accountKeys(keys: LaneKeys, id: string): readonly string[] {
  return [
    keys.payload(id),
    keys.ledger,
    keys.entries,
    keys.counters,
    keys.settled,
    keys.dead,
    keys.deadTimes,
  ];
}
