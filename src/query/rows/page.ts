import { hash } from 'node:crypto';
import { SHARD_READS, type ShardReadName, type ShardReadRequest } from '../../shared/read/contract.ts';
import { parseWindowNanos } from '../../shared/time.ts';
import { isSameKey } from '../merge/k-way.ts';
import { anyText, parseParams } from '../params.ts';
import type { RowPlan, ShardQuery } from '../reads/read.ts';
import { badCursor, type Cursor, decodeCursor, encodeCursor } from './cursor.ts';
import type { RowPlace, RowsAsk } from './shard-rows.ts';

/** The rows of one answer: those after a cursor, or the first ones. */
export interface Page {
  readonly plan: RowPlan;
  readonly readName: string;
  readonly fingerprint: string;
  /** Of the page before. */
  readonly cursor: Cursor | undefined;
  /** The commits that the request was prepared at, by shard. */
  readonly preparedAt?: ReadonlyMap<string, string>;
}

export interface PageRequest {
  readonly readName: string;
  readonly plan: RowPlan;
  readonly search: URLSearchParams;
}

/** Reads the `cursor` parameter, if the read has pages. The error names what is wrong with it. */
export function pageOf({
  readName,
  plan,
  search,
}: PageRequest): Page | { readonly kind: 'bad'; readonly error: string } {
  const fingerprint = fingerprintOf(plan, search.get('last'));
  const first: Page = { plan, readName, fingerprint, cursor: undefined };
  if (!plan.isPaged) return first;
  const params = parseParams(search, { cursor: anyText });
  if (params.kind === 'bad') return params;
  if (params.values.cursor === undefined) return first;
  const decoded = decodeCursor(params.values.cursor);
  if (decoded.kind === 'bad') return decoded;
  const { cursor } = decoded;
  const bad = (why: string) => ({ kind: 'bad', error: badCursor(why) }) as const;
  if (cursor.read !== readName) return bad(`this one is of ${cursor.read}, not of ${readName}`);
  if (cursor.fingerprint !== fingerprint) {
    return bad(
      'this one is of other parameters: from page to page only limit, timeout, partial and explain may change',
    );
  }
  const fault = keyFault(plan.shardRead, cursor.key);
  if (fault !== undefined) return bad(fault);
  // The window does not move from page to page.
  const request = { ...plan.request, fromNs: cursor.fromNs } as ShardReadRequest<ShardReadName>;
  return { ...first, plan: { ...plan, request }, cursor };
}

const FINGERPRINT_CHARS = 16;

/** Of what a request asks for, however it was written; the window by its length, for its start is pinned. */
function fingerprintOf({ shardRead, request }: RowPlan, last: string | null): string {
  const { fromNs: _from, limit: _limit, ...filters } = { fromNs: undefined, limit: undefined, ...request };
  const windowNs = last === null ? undefined : parseWindowNanos(last);
  const text = JSON.stringify([shardRead, windowNs?.toString(), filters]);
  return hash('sha256', text, 'base64url').slice(0, FINGERPRINT_CHARS);
}

function keyFault(name: ShardReadName, key: readonly string[]): string | undefined {
  const { shape } = SHARD_READS[name] as { shape?: Partial<(typeof SHARD_READS)['logs']['shape']> };
  const [issue] = shape?.startAt?.safeParse(key).error?.issues ?? [];
  return issue && `${['key', ...issue.path].join('.')}: ${issue.message}`;
}

/** Where a shard is to begin. One that neither the cursor nor its preparation knows begins at its present commit. */
export function placeOf({ cursor, preparedAt }: Page, shardId: string): RowPlace {
  const shard = cursor?.shards.get(shardId);
  const asOf = shard?.asOf ?? preparedAt?.get(shardId);
  return cursor === undefined ? { asOf } : { asOf, after: { key: cursor.key, given: shard?.given ?? 0 } };
}

/** The commits that the page must be read at. */
export function commitsOf({ cursor }: Page): ReadonlyMap<string, string> {
  return new Map(Array.from(cursor?.shards ?? [], ([id, { asOf }]) => [id, asOf]));
}

/**
 * How many rows a page may need of one shard: one more shows whether there is a next page, and one that another shard
 * has given already may come first.
 */
export function pageRowsOf({ plan, cursor }: Page): number {
  return plan.limit + 1 + (cursor !== undefined && plan.identity !== undefined ? 1 : 0);
}

export function shardQueryOf({ plan }: Page, { after, limit = 0 }: RowsAsk): ShardQuery {
  if (!plan.isPaged) return { name: plan.shardRead, request: plan.request } as ShardQuery;
  const request = { ...plan.request, limit: plan.limit === 0 ? 0 : limit, startAt: after?.key };
  return { name: plan.shardRead, request: request as ShardReadRequest<ShardReadName> } as ShardQuery;
}

/** The place where a page ended. */
export interface PageEnd {
  readonly key: readonly string[];
  /** How many rows with that key each shard has given, of those in the page. */
  readonly given: ReadonlyMap<string, number>;
}

/** `asOf` is of the shards that have answered; what the cursor said of others stays. */
export function nextCursor(page: Page, end: PageEnd, asOf: ReadonlyMap<string, string>): string {
  const { plan, readName, fingerprint, cursor } = page;
  const isSame = cursor !== undefined && isSameKey(cursor.key, end.key);
  const ids = new Set([...(cursor?.shards.keys() ?? []), ...asOf.keys()]);
  const shards = [...ids].map(id => {
    const before = cursor?.shards.get(id);
    const given = (isSame ? (before?.given ?? 0) : 0) + (end.given.get(id) ?? 0);
    return [id, { asOf: before?.asOf ?? (asOf.get(id) as string), given }] as const;
  });
  const { fromNs } = plan.request as { readonly fromNs?: string };
  return encodeCursor({ read: readName, fingerprint, fromNs, key: end.key, shards: new Map(shards) });
}
