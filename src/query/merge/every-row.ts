import type { z } from 'zod';
import type { ShardReadName, ShardReadRequest } from '../../shared/read/contract.ts';
import type { RowLine } from '../../shared/read/ndjson.ts';
import type { ShardReads } from '../reads/read.ts';
import { compareKeys, compareUtf8, createKeyCheck, type KeyOrder } from './key-order.ts';
import { BrokenPart, MALFORMED_ROW, type RowPart, rowsOf } from './row-part.ts';

/** Reads whose rows come in pages. */
type PagedRead = Extract<ShardReadName, 'spans' | 'logs' | 'metrics' | 'comments'>;

export interface AllRows<N extends PagedRead, T> {
  readonly name: N;
  readonly request: Omit<ShardReadRequest<N>, 'asOf' | 'startAt' | 'limit'>;
  readonly order: KeyOrder;
  /** What a row says, out of its JSON. Throws when it is not what it should be. */
  readonly decode: (rowJson: string) => T;
  /** Rows of equal identity are one row, of which the first in order stays. Without it all rows stay. */
  readonly identity?: (key: readonly string[]) => string;
  /** Of each shard. */
  readonly pageRows?: number;
}

const PAGE_ROWS = 20_000;

/**
 * Every row of a read over all shards in one total order, ties by the row's text, for what is computed from rows. No
 * answer of a shard is larger than a page, and what is not asked for is not read. Throws {@link BrokenPart} for a part
 * that is malformed or out of order.
 */
export async function* everyRow<N extends PagedRead, T>(
  shards: ShardReads,
  { name, request, order, decode, identity, pageRows = PAGE_ROWS }: AllRows<N, T>,
): AsyncGenerator<T> {
  const seen = new Set<string>();
  let startAt: readonly string[] | undefined;
  for (let limit = pageRows; ; ) {
    const parts = await shards.ask(name, { ...request, startAt, limit } as ShardReadRequest<N>);
    const page = pageOf(parts, { order, limit });
    for (const row of page.rows) {
      const id = identity?.(row.key);
      if (id !== undefined && seen.has(id)) continue;
      if (id !== undefined) seen.add(id);
      yield decoded(row, decode);
    }
    if (page.next === undefined) return;
    // A page that is all of one key would come again and again.
    const isStuck = startAt !== undefined && compareKeys(startAt, page.next, order) === 0;
    limit = isStuck ? 2 * limit : pageRows;
    startAt = page.next;
  }
}

interface PageRow extends RowLine {
  readonly shardId: string;
}

interface Page {
  readonly rows: readonly PageRow[];
  /** Where the next page starts; absent when there is none. */
  readonly next?: readonly string[];
}

/** Of shards that have more, the one whose part ends first says how far the rows are all there. */
function pageOf(
  parts: readonly RowPart[],
  { order, limit }: { readonly order: KeyOrder; readonly limit: number },
): Page {
  const byShard = parts.map(part => checkedRows(part, order));
  const [next] = byShard
    .flatMap(rows => (rows.length < limit ? [] : [(rows.at(-1) as PageRow).key]))
    .toSorted((a, b) => compareKeys(a, b, order));
  const rows = byShard
    .flat()
    .filter(({ key }) => next === undefined || compareKeys(key, next, order) < 0)
    .toSorted((a, b) => compareKeys(a.key, b.key, order) || compareUtf8(b.rowJson, a.rowJson));
  return next === undefined ? { rows } : { rows, next };
}

function checkedRows(part: RowPart, order: KeyOrder): PageRow[] {
  const faultOf = createKeyCheck(order);
  return Array.from(rowsOf(part), row => {
    const fault = faultOf(row.key);
    if (fault !== undefined) throw new BrokenPart(part.shardId, fault);
    return { ...row, shardId: part.shardId };
  });
}

/** Decodes the members that a schema names. */
export function decoderOf<T>(schema: z.ZodType<T>): AllRows<never, T>['decode'] {
  return rowJson => schema.parse(JSON.parse(rowJson));
}

function decoded<T>({ shardId, rowJson }: PageRow, decode: (rowJson: string) => T): T {
  try {
    return decode(rowJson);
  } catch (error) {
    throw new BrokenPart(shardId, MALFORMED_ROW, { cause: error });
  }
}
