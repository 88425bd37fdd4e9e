import { createRowBudget, loadRuns } from '../evals/load.ts';
import { runOf } from '../evals/run.ts';
import { planOfRun } from '../evals/run-id.ts';
import { membersOf, type Read } from './read.ts';

/** `GET /api/v1/evals/runs/{run}`: how one run stands (read API contract §1.5). */
export const evalRunRead: Read = {
  name: 'eval-run',
  path: '/api/v1/evals/runs/:runId',

  plan(query, { maxEvalRows }) {
    return planOfRun(query, 'run', async (shards, runId) => {
      const loaded = await loadRuns(shards, { runId, budget: createRowBudget(maxEvalRows) });
      if (loaded.kind === 'refused') return loaded;
      const facts = loaded.runs.get(runId);
      if (facts === undefined) return { kind: 'not-found', what: 'eval run' };
      return { kind: 'found', members: membersOf({ run: runOf(runId, facts) }) };
    });
  },
};
