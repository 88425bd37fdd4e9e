import { STALL_MS } from '../../shared/drop-when-stalled.ts';
import type { Trailer } from '../../shared/read/contract.ts';
import type { RawRow } from '../../shared/read/ndjson.ts';
import { deadlineReason } from '../deadline.ts';
import { isSameKey, type RowSource } from '../merge/k-way.ts';
import type { KeyOrder } from '../merge/key-order.ts';
import { cutReason } from '../row-body.ts';
import type { CallOutcome } from '../shard-call.ts';
import type { RowStream } from '../shard-reader.ts';
import { type OpenRows, openRows, type RowPosition } from './open-rows.ts';

/** Where a shard is to begin, and at which commit; absent for its first row and its last commit. */
export interface RowPlace {
  readonly asOf?: string | undefined;
  readonly after?: RowPosition | undefined;
}

/** What a shard is asked for at once. */
export interface RowsAsk extends RowPlace {
  /** Those at the key of the place that come before it are among them. Absent for all rows. */
  readonly limit: number | undefined;
}

export interface ShardRowsOptions {
  readonly shardId: string;
  readonly order: KeyOrder;
  readonly start: RowPlace;
  /** How many rows it is asked for at its start. */
  readonly firstRows: number;
  /** Asks the shard. The rows begin with the first one that has the key of the place, however many come before it. */
  readonly open: (ask: RowsAsk, signal: AbortSignal) => Promise<CallOutcome<RowStream>>;
  /** Whether the shard can begin at a place in the middle. */
  readonly canResume: boolean;
  /** How long the shard may be waited for, all in all. */
  readonly timeoutMs: number;
  /** So much of that was gone before the shard was asked. */
  readonly spentMs?: number | undefined;
  /** Called once, when the shard has given all it will, or has failed. */
  readonly onEnd: (end: SourceEnd) => void;
  readonly letGoMs?: number;
}

export type SourceEnd =
  | { readonly kind: 'answered' }
  | { readonly kind: 'cut'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'gone'; readonly reason: string }
  | { readonly kind: 'abandoned'; readonly reason: string };

/** The rows of one shard, asked for when they are first read and read when they are needed. */
export interface ShardRows extends RowSource {
  readonly shardId: string;
  /** Reads on, so that a `next` that was waiting may have something. Settles when it has, and never rejects. */
  read(needed: Needed): Promise<void>;
  /** Gives all rows again, from the first. */
  rewind(): void;
  /** Gives up rewinding, so that rows that were given take no more memory. */
  forget(): void;
  /** Nothing more is needed: the shard is let go, and has answered if it has not failed. */
  finish(): void;
  abandon(reason: string): void;
  end(): SourceEnd | undefined;
  asOf(): string | undefined;
  /** Why its rows may not be the right ones. */
  inexact(): string | undefined;
  /** Time that the shard was waited for. */
  waitedMs(): number;
  /** Rows that were read. */
  rowCount(): number;
}

interface Needed {
  /** Rows that are needed of this shard at most, should it have to be asked again. */
  readonly rows: number;
  /** How long all shards together may still be waited for. */
  readonly leftMs: number;
}

/** Well before the shard would drop a caller that takes nothing. */
const LET_GO_MS = STALL_MS / 3;

/**
 * A shard whose rows nobody takes for a while, because the client is slow or the other shards have earlier rows, is let
 * go and asked again at the same commit when they are needed: it has better uses for its turns and its memory. In the
 * same way it is asked for the rest when it has ended its answer at a bound of its own.
 */
export function createShardRows(options: ShardRowsOptions): ShardRows {
  const { shardId, order, start, firstRows, canResume, timeoutMs, spentMs = 0 } = options;
  const { letGoMs = LET_GO_MS } = options;
  const calls = new AbortController();
  let end: SourceEnd | undefined;
  /** Ends the waiting of the read in hand. */
  let wake = () => {};
  let stream: OpenRows | undefined;
  /** Of the stream. */
  let limit: number | undefined;
  let asOf = start.asOf;
  let inexact: string | undefined;
  let position = start.after;
  let kept: RawRow[] = [];
  let given = 0;
  let isRewindable = true;
  let waitedMs = 0;
  let rowCount = 0;
  let idle: NodeJS.Timeout | undefined;

  function endWith(how: SourceEnd): void {
    if (end !== undefined) return;
    end = how;
    clearTimeout(idle);
    if (how.kind === 'answered' || how.kind === 'cut') stream?.letGo();
    else calls.abort();
    stream = undefined;
    options.onEnd(how);
    wake();
  }
  const fail = (reason: string) => endWith({ kind: 'failed', reason });

  function runOut(): void {
    const reason = `no answer within ${timeoutMs} ms`;
    calls.abort(deadlineReason(reason));
    fail(reason);
  }

  async function open(rows: number): Promise<void> {
    limit = canResume ? rows + (position?.given ?? 0) : undefined;
    const outcome = await options.open({ asOf, after: position, limit }, calls.signal);
    if (end !== undefined) return 'value' in outcome ? outcome.value.body.letGo() : undefined;
    if (outcome.kind === 'gone' || outcome.kind === 'refused') return endWith(outcome);
    if (outcome.kind !== 'answered') return fail(outcome.reason);
    const { value } = outcome;
    if (asOf !== undefined && asOf !== value.asOf) {
      return fail(`answered at commit ${value.asOf}, not ${asOf}`);
    }
    asOf = value.asOf;
    inexact ??= value.inexact;
    stream = openRows(value.body, { order, asOf, after: position });
  }

  async function readOn(from: OpenRows): Promise<void> {
    const progress = await from.read();
    if (progress.kind === 'broken') fail(progress.reason);
    if (progress.kind === 'whole') takeEnd(from, progress.trailer);
  }

  function takeEnd(from: OpenRows, trailer: Trailer): void {
    const isFilled = limit !== undefined && limit > 0 && trailer.rows >= limit;
    if (!trailer.truncated && !isFilled) endWith({ kind: 'answered' });
    else if (canResume && from.given() > 0) letGo();
    else endWith({ kind: 'cut', reason: cutReason(trailer) });
  }

  function take(): RawRow | undefined {
    if (end !== undefined) return undefined;
    const row = stream?.next();
    if (row !== undefined && 'reason' in row) return void fail(row.reason);
    if (row === undefined) return undefined;
    const isRepeated = position !== undefined && isSameKey(row.key, position.key);
    position = { key: row.key, given: isRepeated ? (position?.given ?? 0) + 1 : 1 };
    rowCount++;
    return row;
  }

  function letGo(): void {
    stream?.letGo();
    stream = undefined;
  }

  return {
    shardId,
    next() {
      const again = kept[given];
      if (again !== undefined) {
        given++;
        return again;
      }
      if (!isRewindable && kept.length > 0) kept = [];
      const row = take();
      if (row === undefined) return end === undefined ? 'waiting' : 'over';
      if (isRewindable) given = kept.push(row);
      return row;
    },
    async read(needed) {
      if (end !== undefined) return;
      clearTimeout(idle);
      const startMs = performance.now();
      const leftMs = Math.min(timeoutMs - spentMs - waitedMs, needed.leftMs);
      const late = setTimeout(runOut, Math.max(0, leftMs));
      await new Promise<void>((resolve, reject) => {
        wake = resolve;
        const rows = position === start.after ? firstRows : needed.rows;
        (stream === undefined ? open(rows) : readOn(stream)).then(resolve, reject);
      });
      clearTimeout(late);
      waitedMs += performance.now() - startMs;
      if (canResume && end === undefined) idle = setTimeout(letGo, letGoMs).unref();
    },
    rewind() {
      given = 0;
    },
    forget() {
      isRewindable = false;
    },
    finish: () => endWith({ kind: 'answered' }),
    abandon: reason => endWith({ kind: 'abandoned', reason }),
    end: () => end,
    asOf: () => asOf,
    inexact: () => inexact,
    waitedMs: () => Math.round(waitedMs),
    rowCount: () => rowCount,
  };
}
