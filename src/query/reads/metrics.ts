import { METRIC_TYPES } from '../../shared/read/contract.ts';
import { anyText, parseParams, rowLimit, windowStart, word } from '../params.ts';
import type { Read, RowPlan } from './read.ts';

const DEFAULT_LIMIT = 500;

/** `GET /api/v1/metrics`: the points that match, newest first (read API contract §1.3). */
export const metricsRead: Read = {
  name: 'metrics',
  path: '/api/v1/metrics',
  windows: ['last'],

  plan({ search }, { nowNs, maxRows }) {
    const parsed = parseParams(search, {
      service: anyText,
      name: anyText,
      metric_type: word(METRIC_TYPES),
      last: windowStart(nowNs),
      limit: rowLimit(maxRows),
    });
    if (parsed.kind === 'bad') return parsed;
    const { service, name, metric_type, last, limit } = parsed.values;
    const rows = limit ?? Math.min(DEFAULT_LIMIT, maxRows);
    return {
      kind: 'rows',
      shardRead: 'metrics',
      request: {
        service,
        name,
        metricType: metric_type,
        fromNs: last,
        limit: rows,
      },
      order: ['descending', 'descending', 'descending', 'descending'],
      limit: rows,
      isPaged: true,
      member: 'metrics',
      tail: rowCount => `"count":${rowCount}`,
    } satisfies RowPlan<'metrics'>;
  },
};
