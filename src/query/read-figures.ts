import { type CallMeter, createCallMeter } from './call-meter.ts';

/** What a read cost: where its time went, and what came from which shard. */
export interface ReadFigures {
  /** A meter for one more call of a shard, whose answer is held or passed on as it comes. */
  meterFor(shardId: string, answer: 'held' | 'streamed'): CallMeter;
  addRows(shardId: string, rows: number): void;
  beginRound(): void;
  /** Waits for shards; what is outside of that is merging. */
  whileAsking<T>(asking: () => Promise<T>): Promise<T>;
  /** Aborted when the shards together gave more than may be held. */
  readonly full: AbortSignal;
  /** To be called when the read has its turn. */
  begin(): void;
  soFar(): ReadCost;
}

/** Times in milliseconds. */
export interface ReadCost {
  readonly totalMs: number;
  /** Until the read had its turn. */
  readonly waitedMs: number;
  /** What remains of the total: decoding, merging and rendering. */
  readonly mergeMs: number;
  readonly rounds: number;
  readonly shards: readonly ShardCost[];
}

/** The sums over all calls of one shard, repeats included. */
interface ShardCost {
  readonly id: string;
  readonly calls: number;
  readonly queueMs: number;
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly transferMs: number;
  readonly rows: number;
  readonly sizeBytes: number;
}

interface OfShard {
  readonly meters: CallMeter[];
  rows: number;
}

export interface ReadFiguresOptions {
  /** When the request came, on the clock of `performance.now()`. */
  readonly startMs: number;
  /** Most bytes of all answers that are held, together. */
  readonly maxBytes: number;
}

export function createReadFigures({ startMs, maxBytes }: ReadFiguresOptions): ReadFigures {
  const shards = new Map<string, OfShard>();
  const full = new AbortController();
  let sizeBytes = 0;
  let rounds = 0;
  let askingMs = 0;
  let waitedMs = 0;

  function ofShard(shardId: string): OfShard {
    const known = shards.get(shardId) ?? { meters: [], rows: 0 };
    shards.set(shardId, known);
    return known;
  }

  function take(bytes: number): string | undefined {
    sizeBytes += bytes;
    if (sizeBytes <= maxBytes) return undefined;
    full.abort();
    return 'all answers together are too large';
  }

  return {
    meterFor(shardId, answer) {
      const meter = createCallMeter(answer === 'held' ? take : undefined);
      ofShard(shardId).meters.push(meter);
      return meter;
    },
    addRows(shardId, rows) {
      ofShard(shardId).rows += rows;
    },
    beginRound() {
      rounds++;
    },
    async whileAsking(asking) {
      const sinceMs = performance.now();
      try {
        return await asking();
      } finally {
        askingMs += performance.now() - sinceMs;
      }
    },
    full: full.signal,
    begin() {
      waitedMs = performance.now() - startMs;
    },
    soFar() {
      const totalMs = performance.now() - startMs;
      const mergeMs = Math.max(0, totalMs - waitedMs - askingMs);
      const costs = Array.from(shards, ([id, shard]) => costOf(id, shard));
      return { totalMs, waitedMs, mergeMs, rounds, shards: costs };
    },
  };
}

function costOf(id: string, { meters, rows }: OfShard): ShardCost {
  const figures = meters.map(meter => meter.figures());
  const sum = (of: keyof (typeof figures)[number]) => figures.reduce((total, call) => total + call[of], 0);
  return {
    id,
    calls: meters.length,
    queueMs: sum('queueMs'),
    connectMs: sum('connectMs'),
    firstByteMs: sum('firstByteMs'),
    transferMs: sum('transferMs'),
    rows,
    sizeBytes: sum('sizeBytes'),
  };
}
