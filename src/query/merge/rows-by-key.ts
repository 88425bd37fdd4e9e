import type { RowLine } from '../../shared/read/ndjson.ts';
import { compareKeys, type KeyOrder } from './key-order.ts';
import { BrokenPart, type RowPart, rowsOf } from './row-part.ts';

/** The rows of a key, at most one of a shard. */
export interface RowsOfKey {
  readonly key: readonly string[];
  readonly rows: readonly { readonly shardId: string; readonly rowJson: string }[];
}

/** Goes through parts in step, one key after the other, ascending. Holds one row of each part. */
export function* rowsByKey(parts: readonly RowPart[], keyLength: number): Generator<RowsOfKey, undefined> {
  const order = new Array<'ascending'>(keyLength).fill('ascending');
  let heads = parts.flatMap(part => next({ part, rest: rowsOf(part) }, order));
  while (heads[0] !== undefined) {
    const { key } = heads
      .map(({ row }) => row)
      .reduce((a, b) => (compareKeys(a.key, b.key, order) <= 0 ? a : b));
    const same = heads.filter(({ row }) => compareKeys(row.key, key, order) === 0);
    yield { key, rows: same.map(({ part, row }) => ({ shardId: part.shardId, rowJson: row.rowJson })) };
    heads = heads.flatMap(head => (same.includes(head) ? next(head, order) : head));
  }
}

interface Cursor {
  readonly part: RowPart;
  readonly rest: Iterator<RowLine>;
  /** The row before the next one. */
  readonly row?: RowLine;
}

interface Head extends Cursor {
  readonly row: RowLine;
}

function next({ part, rest, row: previous }: Cursor, order: KeyOrder): Head[] {
  const { done, value: row } = rest.next();
  if (done === true) return [];
  if (row.key.length !== order.length || row.key.some(element => typeof element !== 'string')) {
    throw new BrokenPart(part.shardId, 'sent a row whose key does not fit the read');
  }
  if (previous !== undefined && compareKeys(previous.key, row.key, order) >= 0) {
    throw new BrokenPart(part.shardId, 'sent rows out of order');
  }
  return [{ part, rest, row }];
}
