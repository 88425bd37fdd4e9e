import { badValue, traceIdParam } from '../params.ts';
import type { Read, RowPlan } from './read.ts';

/** Oldest first, each span once. */
export const TRACE_MERGE = {
  order: ['ascending', 'ascending'],
  identity: ([, spanId]) => spanId as string,
  limit: Number.POSITIVE_INFINITY,
} satisfies Pick<RowPlan, 'order' | 'identity' | 'limit'>;

/** `GET /api/v1/traces/{trace_id}`: every span of one trace, oldest first (read API contract §1.1). */
export const traceRead: Read = {
  name: 'trace',
  path: '/api/v1/traces/:traceId',

  plan({ path }) {
    const text = path.traceId ?? '';
    const traceId = traceIdParam.decode(text);
    if (traceId === undefined) {
      return { kind: 'bad', error: badValue('trace id', text, traceIdParam.accepts) };
    }
    return {
      kind: 'rows',
      shardRead: 'trace',
      request: { traceId },
      ...TRACE_MERGE,
      member: 'spans',
      head: `"trace_id":${JSON.stringify(traceId)}`,
      tail: rowCount => `"span_count":${rowCount}`,
      missing: 'trace',
    } satisfies RowPlan<'trace'>;
  },
};
