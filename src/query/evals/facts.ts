import { EVAL_SPAN } from '../../shared/read/evals.ts';
import { parseTimeNanos } from '../../shared/time.ts';
import type { EvalSpan, ScorePoint } from './rows.ts';
import { scoreOf } from './score.ts';

/** What spans and scores say of one case of a run. */
export interface CaseFacts {
  suiteId?: string | undefined;
  /** Of the newest span. */
  traceId?: string;
  startNs?: bigint | undefined;
  endNs?: bigint | undefined;
  durationMs?: number | undefined;
  hasError: boolean;
  /** By metric, the newest score of each. */
  readonly scores: Map<string, number>;
  readonly labels: Map<string, string>;
  /** Of all scores of the metric `cost_usd`: what was spent again was spent. */
  costUsd: number;
}

export interface RunFacts {
  suiteId?: string | undefined;
  codeVersion?: string | undefined;
  /** The largest one that a span names. */
  caseCount?: number | undefined;
  readonly cases: Map<string, CaseFacts>;
}

export const COST_METRIC = 'cost_usd';

/** Gathers facts by run id. Where one value has to be chosen the first one stays: give the newest rows first. */
export function createEvalFacts() {
  const runs = new Map<string, RunFacts>();

  function runOf(runId: string): RunFacts {
    const run = runs.get(runId) ?? { cases: new Map() };
    runs.set(runId, run);
    return run;
  }

  return {
    runs,
    addSpan(span: EvalSpan): void {
      const { attributes } = span;
      const runId = attributes[EVAL_SPAN.runId];
      const caseId = attributes[EVAL_SPAN.caseId];
      if (!runId || !caseId) return;
      const run = runOf(runId);
      const facts = caseOf(run, caseId);
      facts.suiteId ??= attributes[EVAL_SPAN.suiteId];
      facts.traceId ??= span.trace_id;
      facts.startNs = least(facts.startNs, parseTimeNanos(span.start_time));
      facts.endNs = greatest(facts.endNs, parseTimeNanos(span.end_time));
      facts.durationMs = greatest(facts.durationMs, span.duration_ms);
      facts.hasError ||= span.status === 'error';
      run.suiteId ??= attributes[EVAL_SPAN.suiteId];
      run.codeVersion ??= attributes[EVAL_SPAN.codeVersion];
      run.caseCount = greatest(run.caseCount, countOf(attributes[EVAL_SPAN.caseCount]));
    },
    addScore(point: ScorePoint): void {
      const score = scoreOf(point);
      if (score === undefined || score.value === null) return;
      const run = runOf(score.run_id);
      const facts = caseOf(run, score.case_id);
      facts.suiteId ??= score.suite_id ?? undefined;
      run.suiteId ??= score.suite_id ?? undefined;
      if (score.metric === COST_METRIC) facts.costUsd += score.value;
      if (facts.scores.has(score.metric)) return;
      facts.scores.set(score.metric, score.value);
      if (score.label !== null) facts.labels.set(score.metric, score.label);
    },
  };
}

function caseOf(run: RunFacts, caseId: string): CaseFacts {
  const facts = run.cases.get(caseId) ?? {
    hasError: false,
    scores: new Map(),
    labels: new Map(),
    costUsd: 0,
  };
  run.cases.set(caseId, facts);
  return facts;
}

/** Attributes are texts, and anybody may have set this one. */
function countOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function least<T extends number | bigint>(a: T | undefined, b: T | undefined): T | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b < a ? b : a;
}

function greatest<T extends number | bigint>(a: T | undefined, b: T | undefined): T | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b > a ? b : a;
}
