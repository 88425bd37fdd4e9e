import type { CommentRow } from '../../shared/read/model.ts';
import { formatNanosWithOffset } from '../../shared/time.ts';
import { compareUtf8 } from '../merge/key-order.ts';
import type { CaseFacts } from './facts.ts';

/** `pass` and `fail` are final. */
export type CaseStatus = 'pass' | 'fail' | 'running' | 'pending';

/** A case of a run as the read API shows it (contract §1.5). */
export interface Case {
  readonly run_id: string;
  readonly suite_id: string | null;
  readonly case_id: string;
  readonly trace_id: string | null;
  readonly status: CaseStatus;
  readonly started_at: string | null;
  readonly updated_at: string | null;
  readonly duration_ms: number | null;
  readonly scores: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly cost_usd: number;
  /** On its trace, oldest first. */
  readonly comments: readonly CommentRow[];
}

export function caseOf(
  ids: { readonly runId: string; readonly caseId: string },
  facts: CaseFacts,
  comments: readonly CommentRow[],
): Case {
  return {
    run_id: ids.runId,
    suite_id: facts.suiteId ?? null,
    case_id: ids.caseId,
    trace_id: facts.traceId ?? null,
    status: caseStatus(facts),
    started_at: timeOrNull(facts.startNs),
    updated_at: timeOrNull(facts.endNs),
    duration_ms: facts.durationMs ?? null,
    scores: Object.fromEntries(byKey(facts.scores)),
    labels: Object.fromEntries(byKey(facts.labels)),
    cost_usd: facts.costUsd,
    comments,
  };
}

const FAILED = new Set(['fail', 'failed', 'error']);
const PASSED = new Set(['pass', 'passed', 'ok']);

/** What is known to have failed has; a label says more than a number, and `pass` more than `correctness`. */
export function caseStatus({ hasError, labels, scores, traceId }: CaseFacts): CaseStatus {
  const given = [...labels.values()];
  if (hasError || given.some(label => FAILED.has(label))) return 'fail';
  if (given.some(label => PASSED.has(label))) return 'pass';
  const verdict = scores.get('pass') ?? scores.get('correctness');
  if (verdict !== undefined) return verdict >= 1 ? 'pass' : 'fail';
  return traceId === undefined ? 'pending' : 'running';
}

export function timeOrNull(nanos: bigint | undefined): string | null {
  return nanos === undefined ? null : formatNanosWithOffset(nanos);
}

export function byKey<T>(entries: Iterable<[string, T]>): [string, T][] {
  return [...entries].sort(([a], [b]) => compareUtf8(a, b));
}
