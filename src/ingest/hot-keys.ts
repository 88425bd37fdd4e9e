import type { Signal } from '../shared/otlp/signal.ts';
import type { Clock } from '../shared/time.ts';
import type { ShardKey } from './partition/shard-keys.ts';

/**
 * The shard keys that most records have, found from a sample: what makes one shard busier than another. Keys come
 * and go, so the counts fade.
 */
export interface HotKeys {
  /** Counts `records` records of one key, of which one was looked at. */
  add(seen: {
    readonly signal: Signal;
    readonly key: ShardKey;
    readonly shard: string;
    readonly records: number;
  }): void;
  /** Keys with a visible share of their signal's recent records, most records first. */
  top(): HotKey[];
}

export interface HotKey {
  readonly signal: Signal;
  /** A trace id in hex; a service or a metric name. */
  readonly key: string;
  readonly shard: string;
  /** Estimate for about the last {@link HALF_LIFE_MS}. */
  readonly records: number;
}

const HALF_LIFE_MS = 60_000;
/** Keys counted per signal. A key with more than this part of the records is always among them. */
const CAPACITY = 128;
const SHOWN = 10;
/** A key below this share does not skew anything. */
const MIN_SHARE = 0.01;
const MAX_KEY_CHARS = 120;

interface Counter {
  /** Its owner when it was seen last: another topology may have moved it. */
  shard: string;
  records: number;
}

interface SignalKeys {
  readonly counters: Map<string, Counter>;
  total: number;
}

/** Space-saving counters (Metwally et al., 2005): a new key takes over the smallest count, so none is underestimated. */
export function createHotKeys(clock: Clock): HotKeys {
  const signals = new Map<Signal, SignalKeys>();
  let fadedAtMs = clock.now();

  function fade(): void {
    const nowMs = clock.now();
    const factor = 0.5 ** ((nowMs - fadedAtMs) / HALF_LIFE_MS);
    fadedAtMs = nowMs;
    for (const keys of signals.values()) {
      keys.total *= factor;
      for (const counter of keys.counters.values()) counter.records *= factor;
    }
  }

  return {
    add({ signal, key, shard, records }) {
      if (clock.now() - fadedAtMs > HALF_LIFE_MS / 4) fade();
      let keys = signals.get(signal);
      if (keys === undefined) {
        keys = { counters: new Map(), total: 0 };
        signals.set(signal, keys);
      }
      keys.total += records;
      const name = nameOf(key);
      const counter = keys.counters.get(name);
      if (counter === undefined) {
        keys.counters.set(name, { shard, records: records + takenOver(keys.counters) });
        return;
      }
      counter.shard = shard;
      counter.records += records;
    },
    top() {
      fade();
      return [...signals].flatMap(([signal, { counters, total }]) =>
        [...counters]
          .map(([key, { shard, records }]) => ({ signal, key, shard, records: Math.round(records) }))
          .filter(({ records }) => records > 0 && records >= MIN_SHARE * total)
          .sort((a, b) => b.records - a.records)
          .slice(0, SHOWN),
      );
    },
  };
}

/** Makes room when there is none; what the smallest had counts for whoever comes instead. */
function takenOver(counters: Map<string, Counter>): number {
  if (counters.size < CAPACITY) return 0;
  let smallest: string | undefined;
  let records = Number.POSITIVE_INFINITY;
  for (const [name, counter] of counters) {
    if (counter.records < records) [smallest, records] = [name, counter.records];
  }
  counters.delete(smallest as string);
  return records;
}

function nameOf({ kind, bytes }: ShardKey): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (kind === 'trace') return buffer.toString('hex');
  const name = buffer.toString('utf8');
  return name.length <= MAX_KEY_CHARS ? name : `${name.slice(0, MAX_KEY_CHARS)}…`;
}
