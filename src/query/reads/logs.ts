import { SEVERITIES } from '../../shared/read/contract.ts';
import { mergeRows } from '../merge/k-way.ts';
import { anyText, parseParams, rowLimit, traceIdParam, windowStart, word } from '../params.ts';
import { type Read, rowsMember } from './read.ts';

const DEFAULT_LIMIT = 100;

/** `GET /api/v1/logs`: the records that match, newest first (read API contract §1.3). */
export const logsRead: Read<'logs'> = {
  path: '/api/v1/logs',
  shardRead: 'logs',

  parse({ search }, { nowNs, maxRows }) {
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
    return {
      kind: 'request',
      request: {
        service,
        severity,
        bodyContains: body_contains,
        text,
        traceId: trace_id,
        fromNs: last,
        limit: limit ?? Math.min(DEFAULT_LIMIT, maxRows),
      },
    };
  },

  combine(parts, { limit }) {
    const order = ['descending', 'descending', 'descending', 'descending', 'descending'] as const;
    const logs = mergeRows({ parts, order, limit });
    return { kind: 'found', members: `${rowsMember('logs', logs)},"count":${logs.length}` };
  },
};
