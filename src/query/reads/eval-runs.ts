import { createRowBudget, loadRuns } from '../evals/load.ts';
import { runOf, updatedNs } from '../evals/run.ts';
import { compareUtf8 } from '../merge/key-order.ts';
import { membersOf, type Read } from './read.ts';

/** `GET /api/v1/evals/runs`: all runs, the last one that was worked on first (read API contract §1.5). */
export const evalRunsRead: Read = {
  name: 'eval-runs',
  path: '/api/v1/evals/runs',

  plan: (_query, { maxEvalRows }) => ({
    kind: 'states',
    async answer(shards) {
      const loaded = await loadRuns(shards, { budget: createRowBudget(maxEvalRows) });
      if (loaded.kind === 'refused') return loaded;
      const runs = [...loaded.runs]
        .map(([runId, facts]) => ({ runId, facts, updated: updatedNs(facts.cases.values()) ?? NEVER }))
        .sort(
          (a, b) =>
            Number(b.updated > a.updated) - Number(b.updated < a.updated) || compareUtf8(a.runId, b.runId),
        )
        .map(({ runId, facts }) => runOf(runId, facts));
      return { kind: 'found', members: membersOf({ runs, count: runs.length }) };
    },
    fieldsOf: () => ['runs'],
  }),
};

/** Before every time: a run that has scores only comes last. */
const NEVER = -1n;
