import { SPAN_STATUSES } from '../../shared/read/contract.ts';
import { mergeRows } from '../merge/k-way.ts';
import { anyText, milliseconds, parseParams, rowLimit, windowStart, word } from '../params.ts';
import { type Read, rowsMember } from './read.ts';

const DEFAULT_LIMIT = 100;

/** `GET /api/v1/traces`: the spans that match, newest first (read API contract §1.1). */
export const tracesRead: Read<'spans'> = {
  path: '/api/v1/traces',
  shardRead: 'spans',

  parse({ search }, { nowNs, maxRows }) {
    const parsed = parseParams(search, {
      service: anyText,
      operation: anyText,
      min_duration_ms: milliseconds('ceiling'),
      max_duration_ms: milliseconds('floor'),
      status: word(SPAN_STATUSES),
      last: windowStart(nowNs),
      limit: rowLimit(maxRows),
      text: anyText,
    });
    if (parsed.kind === 'bad') return parsed;
    const { service, operation, min_duration_ms, max_duration_ms, status, last, limit, text } = parsed.values;
    return {
      kind: 'request',
      request: {
        service,
        operation,
        minDurationNs: min_duration_ms,
        maxDurationNs: max_duration_ms,
        status,
        fromNs: last,
        attributes: search.getAll('attribute').flatMap(attributeOf),
        text,
        limit: limit ?? Math.min(DEFAULT_LIMIT, maxRows),
      },
    };
  },

  combine(parts, { limit }) {
    const spans = mergeRows({
      parts,
      order: ['descending', 'descending', 'descending'],
      limit,
      identity: ([, traceId, spanId]) => `${traceId} ${spanId}`,
    });
    return { kind: 'found', members: rowsMember('spans', spans) };
  },
};

/** The contract ignores an entry without `=` or without a key. */
function attributeOf(entry: string): [string, string][] {
  const equals = entry.indexOf('=');
  const key = entry.slice(0, Math.max(equals, 0)).trim();
  return key === '' ? [] : [[key, entry.slice(equals + 1)]];
}
