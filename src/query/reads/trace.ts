import { mergeRows } from '../merge/k-way.ts';
import { badValue, traceIdParam } from '../params.ts';
import { type Read, rowsMember } from './read.ts';

/** `GET /api/v1/traces/{trace_id}`: every span of one trace, oldest first (read API contract §1.1). */
export const traceRead: Read<'trace'> = {
  path: '/api/v1/traces/:traceId',
  shardRead: 'trace',

  parse({ path }) {
    const text = path.traceId ?? '';
    const traceId = traceIdParam.decode(text);
    if (traceId === undefined)
      return { kind: 'bad', error: badValue('trace id', text, traceIdParam.accepts) };
    return { kind: 'request', request: { traceId } };
  },

  combine(parts, { traceId }) {
    const spans = mergeRows({
      parts,
      order: ['ascending', 'ascending'],
      limit: Number.POSITIVE_INFINITY,
      identity: ([, spanId]) => spanId as string,
    });
    if (spans.length === 0) return { kind: 'not-found', what: 'trace' };
    const members = `"trace_id":${JSON.stringify(traceId)},"span_count":${spans.length},${rowsMember('spans', spans)}`;
    return { kind: 'found', members };
  },
};
