import type { TaelLog } from './logs.ts';
import { idKey } from './members.ts';
import type { TaelMetric } from './metrics.ts';
import type { TaelSpan } from './spans.ts';

/*
 * What aggregates need to know of a row: the columns that records can be counted by, and its time. Many rows are held so
 * for as long as a read lasts.
 */

export interface SpanFacts {
  readonly timeNs: bigint;
  /** As in a sort key. */
  readonly traceId: string;
  readonly durationNs: bigint;
  readonly service: string;
  readonly operation: string;
  readonly status: string;
  readonly kind: string;
}

export interface LogFacts {
  readonly timeNs: bigint;
  readonly service: string;
  readonly severity: string;
}

export interface MetricFacts {
  readonly timeNs: bigint;
  readonly service: string;
  readonly name: string;
  readonly metric_type: string;
}

export function spanFacts({ timeNs, durationNs, row }: TaelSpan): SpanFacts {
  const { service, operation, status, kind } = row;
  return { timeNs, traceId: idKey(row.trace_id, 32), durationNs, service, operation, status, kind };
}

export function logFacts({ timeNs, row: { service, severity } }: TaelLog): LogFacts {
  return { timeNs, service, severity };
}

export function metricFacts({ timeNs, row: { service, name, metric_type } }: TaelMetric): MetricFacts {
  return { timeNs, service, name, metric_type };
}
