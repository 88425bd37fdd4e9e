import { SEVERITIES } from '../../shared/read/contract.ts';
import { anyText, parseParams, rowLimit, traceIdParam, windowStart, word } from '../params.ts';
import type { Read, RowPlan } from './read.ts';

const DEFAULT_LIMIT = 100;

/** `GET /api/v1/logs`: the records that match, newest first (read API contract §1.3). */
export const logsRead: Read = {
  name: 'logs',
  path: '/api/v1/logs',
  windows: ['last'],

  plan({ search }, { nowNs, maxRows }) {
    const parsed = parseParams(search, {
      service: anyText,
      severity: word(SEVERITIES),
      body_contains: anyText,
      text: anyText,
      trace_id: traceIdParam,
      last: windowStart(nowNs),
      limit: rowLimit(maxRows),
    });
    if (parsed.kind === 'bad') return parsed;
    const { service, severity, body_contains, text, trace_id, last, limit } = parsed.values;
    const rows = limit ?? Math.min(DEFAULT_LIMIT, maxRows);
    return {
      kind: 'rows',
      shardRead: 'logs',
      request: {
        service,
        severity,
        bodyContains: body_contains,
        text,
        traceId: trace_id,
        fromNs: last,
        limit: rows,
      },
      order: ['descending', 'descending', 'descending', 'descending', 'descending'],
      limit: rows,
      isPaged: true,
      member: 'logs',
      tail: rowCount => `"count":${rowCount}`,
    } satisfies RowPlan<'logs'>;
  },
};
