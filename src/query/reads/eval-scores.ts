import { createRowBudget } from '../evals/load.ts';
import { scorePoints } from '../evals/rows.ts';
import { planOfRun } from '../evals/run-id.ts';
import { type Score, scoreOf } from '../evals/score.ts';
import { membersOf, type Read } from './read.ts';

/**
 * `GET /api/v1/evals/runs/{run}/scores`: every score that was given to the cases of a run, the newest first, those that
 * newer ones replaced too (read API contract §1.5).
 */
export const evalScoresRead: Read = {
  name: 'eval-scores',
  path: '/api/v1/evals/runs/:runId/scores',

  plan(query, { maxEvalRows }) {
    return planOfRun(query, 'scores', async (shards, runId) => {
      const budget = createRowBudget(maxEvalRows);
      const scores: Score[] = [];
      for await (const point of budget.within(scorePoints(shards, runId))) {
        const score = scoreOf(point);
        if (score !== undefined) scores.push(score);
      }
      const refusal = budget.refusal();
      if (refusal !== undefined) return refusal;
      return { kind: 'found', members: membersOf({ run_id: runId, scores, count: scores.length }) };
    });
  },
};
