import { badValue, commentedTraceParam, parseParams, rowLimit } from '../params.ts';
import type { Read, RowPlan } from './read.ts';

const DEFAULT_LIMIT = 1000;
/** The largest that a shard takes. */
const NO_LIMIT = 4_294_967_295;

/** A comment is on one shard, but for copies of it that may be on others: it stays the one of its id. */
const identity = ([, id]: readonly string[]) => id as string;

/** `GET /api/v1/traces/{trace_id}/comments`: every comment on a trace, oldest first (read API contract §1.2). */
export const traceCommentsRead: Read = {
  name: 'trace-comments',
  path: '/api/v1/traces/:traceId/comments',

  plan({ path }) {
    const text = path.traceId ?? '';
    const traceId = commentedTraceParam.decode(text);
    if (traceId === undefined) {
      return { kind: 'bad', error: badValue('trace id', text, commentedTraceParam.accepts) };
    }
    return {
      kind: 'rows',
      shardRead: 'comments',
      request: { traceIds: [traceId], limit: NO_LIMIT },
      order: ['ascending', 'ascending'],
      identity,
      limit: Number.POSITIVE_INFINITY,
      member: 'comments',
      tail: rowCount => `"count":${rowCount}`,
    } satisfies RowPlan<'comments'>;
  },
};

/** `GET /api/v1/comments`: the newest comments on any trace, newest first (read API contract §1.2). */
export const commentsRead: Read = {
  name: 'comments',
  path: '/api/v1/comments',

  plan({ search }, { maxRows }) {
    const parsed = parseParams(search, { limit: rowLimit(maxRows) });
    if (parsed.kind === 'bad') return parsed;
    const limit = parsed.values.limit ?? Math.min(DEFAULT_LIMIT, maxRows);
    return {
      kind: 'rows',
      shardRead: 'comments',
      request: { newestFirst: true, limit },
      order: ['descending', 'descending'],
      identity,
      limit,
      isPaged: true,
      member: 'comments',
      tail: rowCount => `"count":${rowCount}`,
    } satisfies RowPlan<'comments'>;
  },
};
