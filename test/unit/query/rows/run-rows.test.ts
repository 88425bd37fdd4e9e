import { describe, expect, it } from 'vitest';
import type { RowPlan } from '../../../../src/query/reads/read.ts';
import type { Page } from '../../../../src/query/rows/page.ts';
import { type RowsOptions, runRows } from '../../../../src/query/rows/run-rows.ts';
import type { CallOutcome } from '../../../../src/query/shard-call.ts';
import type { RowStream } from '../../../../src/query/shard-reader.ts';
import { type MemoryShard, memoryClient } from '../../../support/memory-shards.ts';
import { shardSpec } from '../../../support/stub-shard.ts';

const ORDER = ['ascending'] as const;
const LIMIT = 10;
const PAGE: Page = {
  plan: {
    kind: 'rows',
    shardRead: 'logs',
    request: { limit: LIMIT },
    order: ORDER,
    limit: LIMIT,
    isPaged: true,
    member: 'rows',
  } satisfies RowPlan<'logs'>,
  readName: 'logs',
  fingerprint: '',
  cursor: undefined,
};
const rows = (...texts: readonly string[]) =>
  texts.map(text => ({ key: [text], json: JSON.stringify(text) }));
const EVEN: MemoryShard = {
  id: 's0',
  rows: rows('a0', 'a2', 'a4', 'a6', 'a8', 'b0', 'b2', 'b4', 'b6', 'b8'),
};
const ODD: MemoryShard = { id: 's1', rows: rows('a1', 'a3', 'a5', 'a7', 'a9') };

type Reader = RowsOptions['reader'];
type Ask = Parameters<Reader['rows']>;

/** Asks every shard for so many rows first, and counts what they are asked for. */
async function run(reader: Reader, firstRows: number, options: Partial<RowsOptions> = {}) {
  const asked: [shardId: string, limit: unknown][] = [];
  const watched: Reader = {
    rows(...ask) {
      asked.push([ask[0].id, (ask[1].request as { limit?: number }).limit]);
      return reader.rows(...ask);
    },
  };
  const learned: (readonly number[])[] = [];
  const outcome = await runRows({
    page: PAGE,
    shards: [shardSpec('s0', 1), shardSpec('s1', 2)],
    reader: watched,
    shares: { firstRows: () => firstRows, learn: (_plan, { taken }) => void learned.push(taken) },
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    isStrict: false,
    ...options,
  });
  if (outcome.kind !== 'held') throw new Error(outcome.kind);
  const { rows: given } = JSON.parse(`{${Buffer.concat(outcome.members)}}`) as { rows: string[] };
  const missing = outcome.slots.filter(({ kind }) => kind !== 'answered').map(({ shardId }) => shardId);
  return { given, missing, asked, learned };
}

/** One shard says nothing from some call on, until it is given up. */
function hanging(reader: Reader, hangs: (ask: Ask, calls: number) => boolean): Reader {
  let calls = 0;
  return {
    rows(...ask) {
      if (!hangs(ask, calls++)) return reader.rows(...ask);
      const { promise, resolve } = Promise.withResolvers<CallOutcome<RowStream>>();
      ask[2].addEventListener('abort', () => resolve({ kind: 'failed', reason: 'given up' }));
      return promise;
    },
  };
}

describe('the rows of a page', () => {
  it('are asked of each shard once where its share is enough', async () => {
    const { given, asked, learned } = await run(memoryClient([EVEN, ODD], ORDER), 6);
    expect(given).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'a8', 'a9']);
    expect(asked).toEqual([
      ['s0', 6],
      ['s1', 6],
    ]);
    expect(learned).toEqual([[6, 5]]);
  });

  it('are asked for further, as far as they are missing, of the shard alone whose share was too small', async () => {
    const few = { ...ODD, rows: rows('a9') };
    const { given, asked } = await run(memoryClient([EVEN, few], ORDER), 4);
    expect(given).toEqual(['a0', 'a2', 'a4', 'a6', 'a8', 'a9', 'b0', 'b2', 'b4', 'b6']);
    // With the row that it begins at and the one that shows that there are more.
    expect(asked.slice(2)).toEqual([['s0', 11 - 4 + 1]]);
  });

  it('come from the other shards in time when one hangs', async () => {
    const client = hanging(memoryClient([EVEN, ODD], ORDER), ([{ id }]) => id === 's1');
    const { given, missing } = await run(client, 2, { timeoutMs: 200 });
    expect(given).toEqual(EVEN.rows.map(({ json }) => JSON.parse(json)));
    expect(missing).toEqual(['s1']);
  });

  it('come from the other shards in time when one hangs that had begun', async () => {
    const client = hanging(memoryClient([EVEN, ODD], ORDER), ([{ id }], calls) => id === 's1' && calls > 1);
    const { given, missing } = await run(client, 2, { timeoutMs: 200 });
    expect(given).toEqual(EVEN.rows.map(({ json }) => JSON.parse(json)));
    expect(missing).toEqual(['s1']);
  });

  it('come from a shard that was slow and does not fail', async () => {
    const memory = memoryClient([EVEN, ODD], ORDER);
    const others = Promise.withResolvers<void>();
    let calls = 0;
    const slow: Reader = {
      async rows(...ask) {
        // Of the other shard the second one is for rows that are not needed once this one has answered.
        if (calls++ === 2) others.resolve();
        if (ask[0].id === 's1') await others.promise;
        return memory.rows(...ask);
      },
    };
    const { given, missing } = await run(slow, 2, { timeoutMs: 600 });
    expect(given).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'a8', 'a9']);
    expect(missing).toEqual([]);
  });

  it('cost two shards that hang one after the other no more than the deadline', async () => {
    const client = hanging(memoryClient([EVEN, ODD], ORDER), (_ask, calls) => calls > 1);
    const startMs = performance.now();
    const outcome = await run(client, 2, { timeoutMs: 300 });
    expect(outcome.missing).toEqual(['s0', 's1']);
    // One after the other they would take twice as long.
    expect(performance.now() - startMs).toBeLessThan(2 * 300);
  });
});
