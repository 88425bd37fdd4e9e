import { byKey, type CaseStatus, caseStatus, timeOrNull } from './case.ts';
import { type CaseFacts, COST_METRIC, type RunFacts } from './facts.ts';

/** A run as the read API shows it (contract §1.5). */
export interface Run {
  readonly run_id: string;
  readonly suite_id: string | null;
  readonly code_version: string | null;
  readonly status: 'failed' | 'complete' | 'running' | 'unknown';
  readonly case_count: number | null;
  /** Cases that have a trace. */
  readonly observed_cases: number;
  readonly scored_cases: number;
  readonly passed_cases: number;
  readonly failed_cases: number;
  readonly pending_cases: number | null;
  /** Mean of each metric over the cases that have it, without the cost. */
  readonly avg_scores: Readonly<Record<string, number>>;
  readonly cost_usd: number;
  readonly started_at: string | null;
  readonly updated_at: string | null;
}

/** Sums go through the cases in the order of their ids, so that they come out the same however the rows are spread. */
export function runOf(runId: string, { suiteId, codeVersion, caseCount, cases: byId }: RunFacts): Run {
  const cases = byKey(byId).map(([, facts]) => facts);
  const statuses = cases.map(caseStatus);
  const countOf = (status: CaseStatus) => statuses.filter(each => each === status).length;
  const observed = cases.filter(({ traceId }) => traceId !== undefined).length;
  const scored = cases.filter(({ scores }) => scores.size > 0).length;
  const [passed, failed] = [countOf('pass'), countOf('fail')];
  return {
    run_id: runId,
    suite_id: suiteId ?? null,
    code_version: codeVersion ?? null,
    status: runStatus({ caseCount, cases: cases.length, passed, failed }),
    case_count: caseCount ?? null,
    observed_cases: observed,
    scored_cases: scored,
    passed_cases: passed,
    failed_cases: failed,
    pending_cases: caseCount === undefined ? null : Math.max(0, caseCount - Math.max(observed, scored)),
    avg_scores: averages(cases),
    cost_usd: cases.reduce((sum, { costUsd }) => sum + costUsd, 0),
    started_at: timeOrNull(edge(cases, 'startNs', (a, b) => a < b)),
    updated_at: timeOrNull(updatedNs(cases)),
  };
}

/** When the last of its spans ended; `undefined` for a run that has scores only. */
export function updatedNs(cases: Iterable<CaseFacts>): bigint | undefined {
  return edge(cases, 'endNs', (a, b) => a > b);
}

interface Progress {
  readonly caseCount: number | undefined;
  readonly cases: number;
  readonly passed: number;
  readonly failed: number;
}

/** Complete when as many cases as were announced are there and each has passed; a failed one fails the run before. */
function runStatus({ caseCount, cases, passed, failed }: Progress): Run['status'] {
  if (failed > 0) return 'failed';
  if (cases === 0) return 'unknown';
  const isComplete = caseCount !== undefined && caseCount > 0 && cases >= caseCount && passed === cases;
  return isComplete ? 'complete' : 'running';
}

function averages(cases: readonly CaseFacts[]): Record<string, number> {
  const sums = new Map<string, { sum: number; count: number }>();
  for (const { scores } of cases) {
    for (const [metric, value] of scores) {
      const { sum, count } = sums.get(metric) ?? { sum: 0, count: 0 };
      sums.set(metric, { sum: sum + value, count: count + 1 });
    }
  }
  sums.delete(COST_METRIC);
  return Object.fromEntries(byKey(sums).map(([metric, { sum, count }]) => [metric, sum / count]));
}

function edge(
  cases: Iterable<CaseFacts>,
  member: 'startNs' | 'endNs',
  isBeyond: (a: bigint, b: bigint) => boolean,
): bigint | undefined {
  let edge: bigint | undefined;
  for (const { [member]: nanos } of cases) {
    if (nanos !== undefined && (edge === undefined || isBeyond(nanos, edge))) edge = nanos;
  }
  return edge;
}
