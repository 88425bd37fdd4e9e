import type { ShardQuery } from './reads/read.ts';

/** A part of a shard's that is not exact: what it answers, and why. */
export interface InexactPart {
  readonly query: ShardQuery;
  readonly reason: string;
}

/** A member of an answer that is not exact; `inexact` of the answer lists them. */
export interface InexactField {
  /** With dots between the names of members: `traces.p95_ms`. */
  readonly field: string;
  readonly reason: string;
}

/** The members that are computed from such parts, each once for every reason. */
export function inexactFields(
  parts: readonly InexactPart[],
  fieldsOf: (query: ShardQuery) => readonly string[],
): InexactField[] {
  const fields = parts.flatMap(({ query, reason }) => fieldsOf(query).map(field => ({ field, reason })));
  return [...new Map(fields.map(each => [`${each.field} ${each.reason}`, each])).values()];
}
