import type { Combined, ShardReads } from '../reads/read.ts';
import { createEvalFacts, type RunFacts } from './facts.ts';
import { evalSpans, scorePoints } from './rows.ts';

type Refused = Extract<Combined, { kind: 'refused' }>;

/** Counts the rows that an answer is computed from, all reads together. */
export interface RowBudget {
  /** Passes rows on until they are too many, which {@link RowBudget.refusal} then says. */
  within<T>(rows: AsyncIterable<T>): AsyncGenerator<T>;
  refusal(): Refused | undefined;
}

/** @param maxRows - `query.maxEvalRows` */
export function createRowBudget(maxRows: number): RowBudget {
  let rows = 0;
  return {
    async *within(some) {
      for await (const row of some) {
        rows++;
        if (rows > maxRows) return;
        yield row;
      }
    },
    refusal() {
      if (rows <= maxRows) return undefined;
      const error = `more than ${maxRows} spans, scores and comments would have to be read: ask for one run, or raise query.maxEvalRows`;
      return { kind: 'refused', status: 413, error };
    },
  };
}

type Loaded = { readonly kind: 'loaded'; readonly runs: ReadonlyMap<string, RunFacts> } | Refused;

/** What all spans and scores say of one run, or of all runs. */
export async function loadRuns(
  shards: ShardReads,
  { runId, budget }: { readonly runId?: string; readonly budget: RowBudget },
): Promise<Loaded> {
  const facts = createEvalFacts();
  for await (const span of budget.within(evalSpans(shards, runId))) facts.addSpan(span);
  for await (const point of budget.within(scorePoints(shards, runId))) facts.addScore(point);
  return budget.refusal() ?? { kind: 'loaded', runs: facts.runs };
}
