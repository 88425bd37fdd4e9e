import type { MetricRow } from '../../shared/read/model.ts';
import { withOffset } from '../../shared/time.ts';

/** A score as the read API shows it (contract §1.5). */
export interface Score {
  /** RFC 3339 with `+00:00`, as all times of evals. */
  readonly timestamp: string;
  readonly run_id: string;
  readonly suite_id: string | null;
  readonly case_id: string;
  readonly trace_id: string | null;
  readonly span_id: string | null;
  readonly metric: string;
  readonly scorer: string | null;
  readonly label: string | null;
  /** `null` for a value that is not finite, which `value_text` then spells. */
  readonly value: number | null;
  readonly value_text?: string;
}

interface Point extends Pick<MetricRow, 'timestamp' | 'value' | 'attributes'> {
  readonly value_text?: string | undefined;
}

/** `undefined` for a point that lacks the run, the case or the metric. */
export function scoreOf({ timestamp, value, value_text, attributes }: Point): Score | undefined {
  const { run_id, case_id, metric } = attributes;
  if (!run_id || !case_id || !metric) return undefined;
  const { suite_id = null, trace_id = null, span_id = null, scorer = null, label = null } = attributes;
  const score = { run_id, suite_id, case_id, trace_id, span_id, metric, scorer, label, value };
  return {
    timestamp: withOffset(timestamp),
    ...score,
    ...(value_text !== undefined && { value_text }),
  };
}
