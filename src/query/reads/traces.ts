import { SPAN_STATUSES } from '../../shared/read/contract.ts';
import { anyText, milliseconds, parseParams, rowLimit, windowStart, word } from '../params.ts';
import type { Read, RowPlan } from './read.ts';
import { runRounds } from './rounds.ts';
import { completeText } from './split-text.ts';

const DEFAULT_LIMIT = 100;

/** `GET /api/v1/traces`: the spans that match, newest first (read API contract §1.1). */
export const tracesRead: Read = {
  name: 'traces',
  path: '/api/v1/traces',
  windows: ['last'],

  plan({ search }, { nowNs, maxRows }) {
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
    const rows = limit ?? Math.min(DEFAULT_LIMIT, maxRows);
    return {
      kind: 'rows',
      shardRead: 'spans',
      request: {
        service,
        operation,
        minDurationNs: min_duration_ms,
        maxDurationNs: max_duration_ms,
        status,
        fromNs: last,
        attributes: search.getAll('attribute').flatMap(attributeOf),
        text,
        limit: rows,
      },
      ...(text !== undefined && {
        prepare: (request, shards) => runRounds(shards, completeText(request, text)),
      }),
      order: ['descending', 'descending', 'descending'],
      identity: ([, traceId, spanId]) => `${traceId} ${spanId}`,
      limit: rows,
      isPaged: true,
      member: 'spans',
    } satisfies RowPlan<'spans'>;
  },
};

/** The contract ignores an entry without `=` or without a key. */
function attributeOf(entry: string): [string, string][] {
  const equals = entry.indexOf('=');
  const key = entry.slice(0, Math.max(equals, 0)).trim();
  return key === '' ? [] : [[key, entry.slice(equals + 1)]];
}
