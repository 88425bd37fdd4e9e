import { METRIC_TYPES } from '../../shared/read/contract.ts';
import { mergeRows } from '../merge/k-way.ts';
import { anyText, parseParams, rowLimit, windowStart, word } from '../params.ts';
import { type Read, rowsMember } from './read.ts';

const DEFAULT_LIMIT = 500;

/** `GET /api/v1/metrics`: the points that match, newest first (read API contract §1.3). */
export const metricsRead: Read<'metrics'> = {
  path: '/api/v1/metrics',
  shardRead: 'metrics',

  parse({ search }, { nowNs, maxRows }) {
    const parsed = parseParams(search, {
      service: anyText,
      name: anyText,
      metric_type: word(METRIC_TYPES),
      last: windowStart(nowNs),
      limit: rowLimit(maxRows),
    });
    if (parsed.kind === 'bad') return parsed;
    const { service, name, metric_type, last, limit } = parsed.values;
    return {
      kind: 'request',
      request: {
        service,
        name,
        metricType: metric_type,
        fromNs: last,
        limit: limit ?? Math.min(DEFAULT_LIMIT, maxRows),
      },
    };
  },

  combine(parts, { limit }) {
    const order = ['descending', 'descending', 'descending', 'descending'] as const;
    const metrics = mergeRows({ parts, order, limit });
    return { kind: 'found', members: `${rowsMember('metrics', metrics)},"count":${metrics.length}` };
  },
};
