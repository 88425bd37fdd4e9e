import type { ShardReadName, ShardReadRequest } from '../../shared/read/contract.ts';
import type { RowPart } from '../merge/row-part.ts';

/**
 * One read of the public API, over any number of shards. `combine` gets the rows of the shards that answered and must
 * give what one shard holding all of them would: an answer depends on rows, never on the shard they came from.
 */
export interface Read<N extends ShardReadName> {
  /** Express route. */
  readonly path: string;
  readonly shardRead: N;
  parse(query: ReadQuery, context: ReadContext): ParsedRead<ShardReadRequest<N>>;
  combine(parts: readonly RowPart[], request: ShardReadRequest<N>): Combined;
}

export interface ReadQuery {
  /** Decoded path parameters. */
  readonly path: Readonly<Record<string, string>>;
  readonly search: URLSearchParams;
}

/** Pinned once per request, before the shards are asked. */
interface ReadContext {
  readonly nowNs: bigint;
  readonly maxRows: number;
}

type ParsedRead<R> =
  | { readonly kind: 'request'; readonly request: R }
  | { readonly kind: 'bad'; readonly error: string };

export type Combined =
  /** JSON text of the answer's own members, without the braces. */
  | { readonly kind: 'found'; readonly members: string }
  /** `what` names the thing that no asked shard has. */
  | { readonly kind: 'not-found'; readonly what: string };

/** A list member out of rows that stay as the shards rendered them. */
export function rowsMember(name: string, rows: readonly string[]): string {
  return `"${name}":[${rows.join(',')}]`;
}
