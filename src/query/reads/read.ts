import type { ShardReadName, ShardReadRequest } from '../../shared/read/contract.ts';
import type { KeyOrder } from '../merge/key-order.ts';
import type { RowPart } from '../merge/row-part.ts';
import type { WindowName } from '../window-limit.ts';

/**
 * One read of the public API, over any number of shards. It does no I/O of its own: it says what to ask, and makes the
 * answer out of what the shards that answered gave. That must be what one shard holding all the data would give: it
 * depends on rows and states, never on the shard they came from.
 */
export interface Read {
  /** Names the read in metrics, logs and cursors. */
  readonly name: string;
  /** Express route. */
  readonly path: string;
  /** Those of its parameters that `query.maxWindow` bounds. */
  readonly windows?: readonly WindowName[];
  plan(query: ReadQuery, context: ReadContext): Plan | BadQuery;
}

export interface ReadQuery {
  /** Decoded path parameters. */
  readonly path: Readonly<Record<string, string>>;
  readonly search: URLSearchParams;
}

/** Pinned once per request, before the shards are asked. */
export interface ReadContext {
  readonly nowNs: bigint;
  /** Largest `limit`. */
  readonly maxRows: number;
  /** Groups of one shard that an aggregate may look at. */
  readonly maxGroups: number;
  /** Most spans, scores and comments that an answer about evals is computed from. */
  readonly maxEvalRows: number;
  /** Longest window that a request may name, or has when it names none where there must be one; 0 for any. */
  readonly maxWindowMs: number;
}

/** The error names the parameter, its value and what is accepted; it becomes a 400. */
interface BadQuery {
  readonly kind: 'bad';
  readonly error: string;
}

type Plan = RowPlan | StatePlan;

/** Rows of all shards, merged in order and passed on as the shards rendered them. */
export interface RowPlan<N extends ShardReadName = ShardReadName> {
  readonly kind: 'rows';
  readonly shardRead: N;
  readonly request: ShardReadRequest<N>;
  /**
   * Makes the request complete with what all shards know, in rounds at the snapshots of the rows. Given the request as
   * it stands, with the start of the first page's window. May be run again, as {@link StatePlan.answer} may.
   */
  prepare?(request: ShardReadRequest<N>, shards: ShardReads): Promise<Prepared<N>>;
  readonly order: KeyOrder;
  /** Rows of equal identity are one row, of which the first in order stays. Without it all rows stay. */
  readonly identity?: (key: readonly string[]) => string;
  readonly limit: number;
  /** Whether a cursor can go on behind the last row. The request then has `fromNs`, `limit` and `startAt`. */
  readonly isPaged?: boolean;
  /** Name of the member that holds the rows. */
  readonly member: string;
  /** JSON text of members before the rows, without braces. */
  readonly head?: string;
  /** JSON text of members after them. */
  readonly tail?: (rowCount: number) => string;
  /** What is not found when there is no row; without it no rows are an answer. */
  readonly missing?: string;
}

export type Prepared<N extends ShardReadName> =
  | { readonly kind: 'request'; readonly request: ShardReadRequest<N> }
  | RefusedQuestion;

/** An answer computed from partial states or from whole rows, in one round or several. */
export interface StatePlan {
  readonly kind: 'states';
  /**
   * May be run again, without a shard that has failed or whose rows threw {@link BrokenPart}; what the others gave is
   * remembered. So it keeps nothing between two runs.
   */
  answer(shards: ShardReads): Promise<Combined>;
  /** The members of the answer that are computed from what the shards say to a question. */
  fieldsOf(query: ShardQuery): readonly string[];
}

/** Asks all shards of a read. Every round sees the same snapshot of each shard, and the same shards. */
export interface ShardReads {
  /** What each shard that answered gave, one part a shard. */
  ask<N extends ShardReadName>(name: N, request: ShardReadRequest<N>): Promise<readonly RowPart[]>;
  /** Several reads in one round; one list of parts for each, in their order. */
  askTogether<const R extends readonly ShardQuery[]>(
    reads: R,
  ): Promise<{ readonly [K in keyof R]: readonly RowPart[] }>;
}

export type ShardQuery = {
  [N in ShardReadName]: { readonly name: N; readonly request: ShardReadRequest<N> };
}[ShardReadName];

export type Combined =
  /** JSON text of the answer's own members, without the braces; rows are in pieces. */
  | { readonly kind: 'found'; readonly members: string | readonly Buffer[] }
  /** `what` names the thing that no asked shard has. */
  | { readonly kind: 'not-found'; readonly what: string }
  | RefusedQuestion;

/** The question cannot be answered as it is, or with 503 not now. */
export interface RefusedQuestion {
  readonly kind: 'refused';
  readonly status: 400 | 413 | 503;
  readonly error: string;
}

/** A list member out of rows that stay as the shards rendered them. */
export function rowsMember(name: string, rows: readonly string[]): string {
  return `"${name}":[${rows.join(',')}]`;
}

/** `{"a":1,"b":2}` as members of an answer. */
export function membersOf(answer: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(answer).slice(1, -1);
}
