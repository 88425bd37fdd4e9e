import { milliseconds, oneDecimal } from './figures.ts';
import { compareUtf8 } from './key-order.ts';

/*
 * When a service behaves otherwise than before: the documented rules of read API contract §3.8. Thresholds are compared
 * in integers: as doubles, 0.15 - 0.1 is less than 0.05.
 */

export interface Anomaly {
  readonly service: string;
  readonly kind: 'error_rate' | 'latency_p95';
  readonly severity: AnomalySeverity;
  /** Fractions of an error rate, milliseconds of a latency. */
  readonly current: number;
  readonly baseline: number;
  readonly delta: number;
  readonly description: string;
}

const SEVERITIES = ['critical', 'warning', 'info'] as const;
type AnomalySeverity = (typeof SEVERITIES)[number];

/** Services with fewer spans say nothing. */
export const FEWEST_SPANS = 5;

/** The pooled spans of a service in one window. */
export interface SpanCounts {
  readonly spans: number;
  readonly errors: number;
}

interface Compared<T> {
  readonly service: string;
  readonly current: T;
  readonly baseline: T;
}

/** The anomaly of a service's error rate, if it is one. A service without spans before had no errors. */
export function errorAnomaly({ service, current, baseline }: Compared<SpanCounts>): Anomaly | undefined {
  if (current.spans < FEWEST_SPANS || current.errors === 0) return undefined;
  const before = baseline.spans === 0 ? { spans: 1, errors: 0 } : baseline;
  const rise = BigInt(current.errors) * BigInt(before.spans) - BigInt(before.errors) * BigInt(current.spans);
  const whole = BigInt(current.spans) * BigInt(before.spans);
  const severity = severityOf(
    { critical: 25n, warning: 10n, info: 5n },
    percent => 100n * rise >= percent * whole,
  );
  if (severity === undefined) return undefined;
  const was = oneDecimal((100 * before.errors) / before.spans);
  const is = oneDecimal((100 * current.errors) / current.spans);
  return {
    service,
    kind: 'error_rate',
    severity,
    current: current.errors / current.spans,
    baseline: before.errors / before.spans,
    delta: Number(rise) / Number(whole),
    description: `Error rate rose ${was}% → ${is}% (baseline ${was}%, ${current.spans} spans)`,
  };
}

const FAST_NS = 50_000_000n;

/** The anomaly of a service's 95th percentile, in nanoseconds, if it is one. */
export function latencyAnomaly({ service, current, baseline }: Compared<bigint>): Anomaly | undefined {
  if (baseline <= 0n || current <= FAST_NS) return undefined;
  const severity = severityOf(
    { critical: 30n, warning: 20n, info: 15n },
    tenths => 10n * current >= tenths * baseline,
  );
  if (severity === undefined) return undefined;
  const was = milliseconds(baseline);
  const is = milliseconds(current);
  return {
    service,
    kind: 'latency_p95',
    severity,
    current: is,
    baseline: was,
    delta: milliseconds(current - baseline),
    description: `p95 latency ${oneDecimal(was)}ms → ${oneDecimal(is)}ms (${oneDecimal(is / was)}× baseline)`,
  };
}

/** The most severe one whose threshold is reached. */
function severityOf(
  thresholds: Readonly<Record<AnomalySeverity, bigint>>,
  isReached: (threshold: bigint) => boolean,
): AnomalySeverity | undefined {
  return SEVERITIES.find(severity => isReached(thresholds[severity]));
}

/** By severity, service and kind: no two are equal. */
export function compareAnomalies(a: Anomaly, b: Anomaly): number {
  return (
    SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
    compareUtf8(a.service, b.service) ||
    compareUtf8(a.kind, b.kind)
  );
}
