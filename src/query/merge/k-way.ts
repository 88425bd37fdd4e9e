import type { RawRow } from '../../shared/read/ndjson.ts';
import { Refused } from '../refused.ts';
import { compareKeys, type KeyOrder } from './key-order.ts';
import { type RowPart, sortedRowsOf } from './row-part.ts';

/** Rows in the order of their read, some of which may still be on their way. */
export interface RowSource {
  next(): RawRow | 'waiting' | 'over';
}

export interface MergeOptions<S extends RowSource> {
  readonly sources: readonly S[];
  readonly order: KeyOrder;
  /** Rows of equal identity are one row, of which the first in order stays. Without it all rows stay. */
  readonly identity?: ((key: readonly string[]) => string) | undefined;
  /** The last row that was given before these. */
  readonly after?: readonly string[] | undefined;
}

export interface RowMerge<S extends RowSource> {
  /** The next row of all; `undefined` when a source must be waited for, and at the end. */
  next(): RawRow | undefined;
  /** The sources whose next row decides which one is the next of all. None at the end. */
  waitingFor(): readonly S[];
  /** How many rows with the key of the last row each source has given, those that were left out included. */
  givenOfLast(): ReadonlyMap<S, number>;
}

/**
 * Merges sorted rows. Rows of equal key are ordered by their bytes, so that the answer does not depend on which shard
 * holds which row. Of the rows of every source only the first one is held.
 */
export function createRowMerge<S extends RowSource>(options: MergeOptions<S>): RowMerge<S> {
  const { order, identity, after } = options;
  const seen = new Set<string>();
  if (identity !== undefined && after !== undefined) seen.add(identity(after));
  /** Sorted: the first is next. */
  const heads: Head<S>[] = [];
  let headless: readonly S[] = options.sources;
  let lastKey: readonly string[] = [];
  let givenOfLast = new Map<S, number>();

  function findHeads(): boolean {
    const waiting: S[] = [];
    for (const source of headless) {
      const row = source.next();
      if (row === 'waiting') waiting.push(source);
      else if (row !== 'over') fileHead({ row, source });
    }
    headless = waiting;
    return waiting.length === 0;
  }

  function fileHead(head: Head<S>): void {
    let low = 0;
    let high = heads.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareRows((heads[middle] as Head<S>).row, head.row, order) <= 0) low = middle + 1;
      else high = middle;
    }
    heads.splice(low, 0, head);
  }

  function count({ row, source }: Head<S>): void {
    if (!isSameKey(row.key, lastKey)) givenOfLast = new Map();
    lastKey = row.key;
    givenOfLast.set(source, (givenOfLast.get(source) ?? 0) + 1);
  }

  return {
    next() {
      while (findHeads()) {
        const head = heads.shift();
        if (head === undefined) return undefined;
        headless = [head.source];
        count(head);
        const id = identity?.(head.row.key);
        if (id === undefined) return head.row;
        if (seen.has(id)) continue;
        seen.add(id);
        return head.row;
      }
      return undefined;
    },
    waitingFor: () => headless,
    givenOfLast: () => givenOfLast,
  };
}

interface Head<S> {
  readonly row: RawRow;
  readonly source: S;
}

function compareRows(a: RawRow, b: RawRow, order: KeyOrder): number {
  return compareKeys(a.key, b.key, order) || b.json.compare(a.json);
}

export function isSameKey(a: readonly string[], b: readonly string[]): boolean {
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return a.length === b.length;
}

export interface MergeRowsOptions {
  readonly parts: readonly RowPart[];
  readonly order: KeyOrder;
  /** Rows beyond it are not even read. */
  readonly limit: number;
  readonly identity?: (key: readonly string[]) => string;
}

/** Far below the longest string of V8, which is 512 Mi characters. */
const MAX_ANSWER_BYTES = 128 * 1024 * 1024;

/**
 * The JSON texts of the first `limit` rows of all parts. Throws {@link BrokenPart} for a part that is malformed or out
 * of order, as far as it was read, and {@link Refused} when they do not fit one answer.
 */
export function mergeRows({ parts, order, limit, identity }: MergeRowsOptions): string[] {
  const sources = parts.map(part => sortedRowsOf(part, order));
  const merge = createRowMerge({ sources, order, identity });
  const merged: string[] = [];
  let sizeBytes = 0;
  while (merged.length < limit) {
    const row = merge.next();
    if (row === undefined) break;
    sizeBytes += row.json.length;
    if (sizeBytes > MAX_ANSWER_BYTES) throw tooLarge();
    merged.push(row.json.toString());
  }
  return merged;
}

function tooLarge(): Refused {
  return new Refused(
    413,
    `the answer is larger than ${MAX_ANSWER_BYTES} bytes: lower the limit or narrow the window`,
  );
}
