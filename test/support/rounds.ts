import type { RowPart } from '../../src/query/merge/row-part.ts';
import type { Read, ReadContext, ShardQuery, ShardReads } from '../../src/query/reads/read.ts';
import { rowLine } from '../../src/shared/read/ndjson.ts';
import type { ReadTestShard } from './read-shards.ts';

export const CONTEXT: ReadContext = {
  nowNs: 1_700_000_000_000_000_000n,
  maxRows: 1000,
  maxGroups: 1000,
  maxEvalRows: 1000,
  maxWindowMs: 0,
};

/** Answers to a question: one part for each shard. */
export type Give = (query: ShardQuery) => readonly RowPart[] | Promise<readonly RowPart[]>;

export function shardReads(give: Give): ShardReads {
  return {
    ask: (name, request) => Promise.resolve(give({ name, request } as ShardQuery)),
    askTogether: (async (reads: readonly ShardQuery[]) =>
      Promise.all(reads.map(read => Promise.resolve(give(read))))) as ShardReads['askTogether'],
  };
}

/** What databases of shards give. */
export function fromDatabases(shards: readonly ReadTestShard[]): Give {
  return ({ name, request }) =>
    Promise.all(
      shards.map(async ({ read }, index) => {
        const { keys, rows } = await read(name, request);
        return partOf(
          `s${index}`,
          rows.map((row, at) => ({ key: keys[at] ?? [], row })),
        );
      }),
    );
}

export function partOf(
  shardId: string,
  rows: readonly { readonly key: readonly string[]; readonly row: unknown }[],
): RowPart {
  return {
    shardId,
    lines: Buffer.from(rows.map(({ key, row }) => rowLine(key, JSON.stringify(row))).join('')),
  };
}

/** The members that a read computes. */
export async function membersOf(
  read: Read,
  shards: ShardReads,
  { search = '', context = CONTEXT }: { readonly search?: string; readonly context?: ReadContext } = {},
): Promise<string> {
  const plan = read.plan({ path: {}, search: new URLSearchParams(search) }, context);
  if (plan.kind !== 'states') throw new Error(`${read.name} has no states: ${JSON.stringify(plan)}`);
  const combined = await plan.answer(shards);
  if (combined.kind !== 'found') throw new Error(JSON.stringify(combined));
  return String(combined.members);
}
