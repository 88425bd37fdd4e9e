import type { ShardReadRequest } from '../../shared/read/contract.ts';
import type { CommentRow } from '../../shared/read/model.ts';
import { nanosKey, rowLine } from '../../shared/read/ndjson.ts';
import { formatNanosWithOffset, parseTimeNanos } from '../../shared/time.ts';
import type { KeyedLine } from './keyed-lines.ts';
import { idOf, membersOf, textOf } from './members.ts';

export interface TaelComment extends KeyedLine {
  readonly traceId: string;
}

export type CommentsFilter = Pick<ShardReadRequest<'comments'>, 'traceIds'>;

/** As many as it lists at most (contract §1.2). */
export const MOST_COMMENTS = 100_000;

/** Where these comments are, and perhaps others. */
export function commentsPath({ traceIds }: CommentsFilter): string {
  const [only] = traceIds ?? [];
  return traceIds?.length === 1 && only !== undefined
    ? `/api/v1/traces/${encodeURIComponent(only)}/comments`
    : `/api/v1/comments?limit=${MOST_COMMENTS}`;
}

export function isOnTraces({ traceIds }: CommentsFilter): (comment: TaelComment) => boolean {
  const asked = traceIds && new Set(traceIds);
  return ({ traceId }) => asked?.has(traceId) ?? true;
}

/** DuckDB's form of a time has no zone and is in UTC (contract §0.2, form 3). */
const WITHOUT_ZONE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?$/;

/** `undefined` for a row that nothing can be made of. */
export function commentOf(value: unknown): TaelComment | undefined {
  const comment = membersOf(value);
  const [id, traceId] = [idOf(comment?.id), idOf(comment?.trace_id)];
  const created = textOf(comment?.created_at);
  const createdNs = parseTimeNanos(WITHOUT_ZONE.test(created) ? `${created}Z` : created);
  if (comment === undefined || id === null || traceId === null || createdNs === undefined) return undefined;
  const row: CommentRow = {
    id,
    trace_id: traceId,
    span_id: idOf(comment.span_id),
    author: textOf(comment.author),
    body: textOf(comment.body),
    created_at: formatNanosWithOffset(createdNs),
  };
  const key = [nanosKey(createdNs), id];
  return { key, line: rowLine(key, JSON.stringify(row)), traceId };
}
