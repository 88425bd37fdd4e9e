import type { RowLine } from '../../shared/read/ndjson.ts';
import { compareKeys, compareUtf8, type KeyOrder } from './key-order.ts';
import { BrokenPart, type RowPart, rowsOf } from './row-part.ts';

export interface MergeOptions {
  readonly parts: readonly RowPart[];
  readonly order: KeyOrder;
  /** Rows beyond it are not even read. */
  readonly limit: number;
  /** Rows of equal identity are one row, of which the first in order stays. Without it all rows stay. */
  readonly identity?: (key: readonly string[]) => string;
}

/** Far below the longest string of V8, which is 512 Mi characters. */
const MAX_ANSWER_CHARS = 128 * 1024 * 1024;

/** The rows that were asked for do not fit one answer. The status is what Express tells the client. */
class AnswerTooLarge extends Error {
  readonly status = 413;

  constructor() {
    super(`the answer is larger than ${MAX_ANSWER_CHARS} characters: lower the limit or narrow the window`);
  }
}

/**
 * Merges sorted parts into the JSON texts of the first `limit` rows of the whole. Rows of equal key are ordered by
 * their text, so that the answer does not depend on which shard holds which row. Throws {@link BrokenPart} for a
 * part that is malformed or out of order, as far as it was read, and {@link AnswerTooLarge}.
 */
export function mergeRows({ parts, order, limit, identity }: MergeOptions): string[] {
  const merged: string[] = [];
  const seen = new Set<string>();
  let chars = 0;
  if (limit === 0) return merged;
  for (const { key, rowJson } of rowsInOrder(parts, order)) {
    const id = identity?.(key);
    if (id !== undefined && seen.has(id)) continue;
    if (id !== undefined) seen.add(id);
    merged.push(rowJson);
    chars += rowJson.length;
    if (chars > MAX_ANSWER_CHARS) throw new AnswerTooLarge();
    if (merged.length === limit) break;
  }
  return merged;
}

/** The heads of all parts, kept sorted: the first one is next, and its part's following row is filed in its place. */
function* rowsInOrder(parts: readonly RowPart[], order: KeyOrder): Generator<RowLine> {
  const heads: Head[] = [];
  for (const part of parts) pushNext(heads, { part, rest: rowsOf(part), order });
  for (let head = heads.shift(); head !== undefined; head = heads.shift()) {
    yield head.row;
    pushNext(heads, head);
  }
}

interface Cursor {
  readonly part: RowPart;
  readonly rest: Generator<RowLine, undefined>;
  readonly order: KeyOrder;
  /** The row before the next one. */
  readonly row?: RowLine;
}

interface Head extends Cursor {
  readonly row: RowLine;
}

/** Reads the cursor's next row, if there is one, and keeps the heads sorted. */
function pushNext(heads: Head[], cursor: Cursor): void {
  const row = cursor.rest.next().value;
  if (row === undefined) return;
  checkRow(row, cursor);
  const head = { ...cursor, row };
  heads.splice(placeOf(head, heads), 0, head);
}

function checkRow(row: RowLine, { part, order, row: previous }: Cursor): void {
  const { key } = row;
  if (key.length !== order.length || key.some(element => typeof element !== 'string')) {
    throw new BrokenPart(part.shardId, 'sent a row whose key does not fit the read');
  }
  if (previous !== undefined && compareKeys(previous.key, key, order) > 0) {
    throw new BrokenPart(part.shardId, 'sent rows out of order');
  }
}

function placeOf(head: Head, heads: readonly Head[]): number {
  let low = 0;
  let high = heads.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareRows(heads[middle] as Head, head) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compareRows(a: Head, b: Head): number {
  return compareKeys(a.row.key, b.row.key, a.order) || compareUtf8(b.row.rowJson, a.row.rowJson);
}
