import { type CallMeter, createCallMeter } from './call-meter.ts';
import type { HeldShare } from './held-bytes.ts';
import { Refused } from './refused.ts';

/** What a read cost: where its time went, and what came from which shard. */
export interface ReadFigures {
  /** A meter for one more call of a shard, whose answer is held as a whole or as rows. */
  meterFor(shardId: string, answer: 'whole' | 'rows'): CallMeter;
  /** Rows are passed on as they come from here on. */
  stopHolding(): void;
  addRows(shardId: string, rows: number): void;
  beginRound(): void;
  /** Waits for shards; what is outside of that is merging. */
  whileAsking<T>(asking: () => Promise<T>): Promise<T>;
  /** Aborted, with a {@link Refused} as the reason, when the shards together gave more than may be held. */
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
  /** Most bytes of all answers that are held as a whole, together. */
  readonly maxBytes: number;
  /** What is held of the answers of all queries. */
  readonly held: HeldShare;
}

export function createReadFigures({ startMs, maxBytes, held }: ReadFiguresOptions): ReadFigures {
  const shards = new Map<string, OfShard>();
  const full = new AbortController();
  let sizeBytes = 0;
  let isHolding = true;
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
    return sizeBytes > maxBytes ? refuse(tooLarge(maxBytes)) : takeRows(bytes);
  }

  function takeRows(bytes: number): string | undefined {
    const refusal = isHolding ? held.take(bytes) : undefined;
    return refusal === undefined ? undefined : refuse(new Refused(503, refusal));
  }

  function refuse(refused: Refused): string {
    full.abort(refused);
    return refused.message;
  }

  return {
    meterFor(shardId, answer) {
      const meter = createCallMeter(answer === 'whole' ? take : takeRows);
      ofShard(shardId).meters.push(meter);
      return meter;
    },
    stopHolding() {
      isHolding = false;
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

function tooLarge(maxBytes: number): Refused {
  return new Refused(
    413,
    `the shards' answers are larger than query.maxAnswerBytes (${maxBytes} bytes): lower the limit or narrow the window`,
  );
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
