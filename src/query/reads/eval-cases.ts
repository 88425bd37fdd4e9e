import type { CommentRow } from '../../shared/read/model.ts';
import { byKey, caseOf } from '../evals/case.ts';
import { createRowBudget, loadRuns } from '../evals/load.ts';
import { commentsOn } from '../evals/rows.ts';
import { planOfRun } from '../evals/run-id.ts';
import { membersOf, type Read } from './read.ts';

/**
 * `GET /api/v1/evals/runs/{run}/cases`: the cases of a run with the comments on their traces (read API contract §1.5).
 * None for a run that nobody knows.
 */
export const evalCasesRead: Read = {
  name: 'eval-cases',
  path: '/api/v1/evals/runs/:runId/cases',

  plan(query, { maxEvalRows }) {
    return planOfRun(query, 'cases', async (shards, runId) => {
      const budget = createRowBudget(maxEvalRows);
      const loaded = await loadRuns(shards, { runId, budget });
      if (loaded.kind === 'refused') return loaded;
      const facts = byKey(loaded.runs.get(runId)?.cases ?? []);
      const traceIds = new Set(facts.flatMap(([, { traceId }]) => traceId ?? []));
      const comments = new Map<string, CommentRow[]>();
      for await (const comment of budget.within(commentsOn(shards, [...traceIds]))) {
        const ofTrace = comments.get(comment.trace_id);
        if (ofTrace === undefined) comments.set(comment.trace_id, [comment]);
        else ofTrace.push(comment);
      }
      const refusal = budget.refusal();
      if (refusal !== undefined) return refusal;
      const cases = facts.map(([caseId, of]) =>
        caseOf({ runId, caseId }, of, comments.get(of.traceId ?? '') ?? []),
      );
      return { kind: 'found', members: membersOf({ run_id: runId, cases, count: cases.length }) };
    });
  },
};
