import { byKey } from '../evals/case.ts';
import type { CaseFacts, RunFacts } from '../evals/facts.ts';
import { createRowBudget, loadRuns } from '../evals/load.ts';
import { runIdParam, runOfPath } from '../evals/run-id.ts';
import { missingParam, parseParams } from '../params.ts';
import { membersOf, type Read } from './read.ts';

/**
 * `GET /api/v1/evals/runs/{run}/compare?baseline=`: the scores of two runs side by side, by case and metric; `null` where
 * a run has none (read API contract §1.5).
 */
export const evalCompareRead: Read = {
  name: 'eval-compare',
  path: '/api/v1/evals/runs/:runId/compare',

  plan(query, { maxEvalRows }) {
    const named = runOfPath(query);
    if (named.kind === 'bad') return named;
    const parsed = parseParams(query.search, { baseline: runIdParam });
    if (parsed.kind === 'bad') return parsed;
    const { runId } = named;
    const { baseline: baselineId } = parsed.values;
    if (baselineId === undefined) {
      return { kind: 'bad', error: missingParam('baseline', `a run id, ${runIdParam.accepts}`) };
    }
    return {
      kind: 'states',
      async answer(shards) {
        const budget = createRowBudget(maxEvalRows);
        const current = await loadRuns(shards, { runId, budget });
        if (current.kind === 'refused') return current;
        const baseline = await loadRuns(shards, { runId: baselineId, budget });
        if (baseline.kind === 'refused') return baseline;
        const members = {
          current_run_id: runId,
          baseline_run_id: baselineId,
          cases: compare(current.runs.get(runId), baseline.runs.get(baselineId)),
        };
        return { kind: 'found', members: membersOf(members) };
      },
      fieldsOf: () => ['cases'],
    };
  },
};

/** One line for each metric of each case that either run has a score of. */
function compare(current: RunFacts | undefined, baseline: RunFacts | undefined): object[] {
  return keysOf(current?.cases, baseline?.cases).flatMap(caseId => {
    const now = current?.cases.get(caseId);
    const before = baseline?.cases.get(caseId);
    return keysOf(now?.scores, before?.scores).map(metric => line({ caseId, metric, now, before }));
  });
}

interface Line {
  readonly caseId: string;
  readonly metric: string;
  readonly now: CaseFacts | undefined;
  readonly before: CaseFacts | undefined;
}

function line({ caseId, metric, now, before }: Line): object {
  const currentValue = now?.scores.get(metric) ?? null;
  const baselineValue = before?.scores.get(metric) ?? null;
  return {
    case_id: caseId,
    metric,
    current_value: currentValue,
    baseline_value: baselineValue,
    delta: currentValue === null || baselineValue === null ? null : currentValue - baselineValue,
    current_trace_id: now?.traceId ?? null,
    baseline_trace_id: before?.traceId ?? null,
  };
}

/** The keys of both, in order. */
function keysOf(
  a: ReadonlyMap<string, unknown> | undefined,
  b: ReadonlyMap<string, unknown> | undefined,
): string[] {
  return byKey(new Map([...(a ?? []), ...(b ?? [])])).map(([key]) => key);
}
