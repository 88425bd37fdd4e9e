import type { RowPart } from '../../src/query/merge/row-part.ts';
import type { Combined, Read, ReadContext, ShardQuery } from '../../src/query/reads/read.ts';

const CONTEXT: ReadContext = {
  nowNs: 1_700_000_000_000_000_000n,
  maxRows: 1000,
  maxGroups: 1000,
  maxEvalRows: 1000,
  maxWindowMs: 0,
};

/** What a read computes from the parts that `give` returns for each of its questions. */
export async function answerOf(
  read: Read,
  search: string,
  give: (query: ShardQuery) => readonly RowPart[],
): Promise<Combined> {
  const plan = read.plan({ path: {}, search: new URLSearchParams(search) }, CONTEXT);
  if (plan.kind !== 'states') throw new Error(`${read.name} has no states: ${JSON.stringify(plan)}`);
  return plan.answer({
    ask: (name, request) => Promise.resolve(give({ name, request } as ShardQuery)),
    askTogether: ((reads: readonly ShardQuery[]) => Promise.resolve(reads.map(give))) as never,
  });
}
