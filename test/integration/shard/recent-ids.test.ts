import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAppender } from '../../../src/shard/store/append.ts';
import { loadRecentIds, type RecentIds } from '../../../src/shard/store/recent-ids.ts';
import { loadSeenIds } from '../../../src/shard/store/seen-ids.ts';
import { openTestStore, type TestStore } from '../../support/shard-store.ts';

let store: TestStore;

beforeEach(async () => {
  store = await openTestStore();
  // It forgets ids as old as these.
  await store.maintenance.stop();
});

afterEach(() => store.remove());

/** The ids of the table, with the time that each was stored at. */
async function recentIds(
  table: 'batch_ids' | 'export_ids',
  stored: readonly (readonly [id: bigint, storedAtMs: number])[],
  maxRecent: number,
): Promise<RecentIds> {
  const connection = await store.database.connect();
  try {
    for (const [id, ms] of stored) await connection.run(`INSERT INTO store.${table} VALUES (${id}, ${ms})`);
    return await loadRecentIds(connection, table, maxRecent);
  } finally {
    connection.closeSync();
  }
}

describe.each(['batch_ids', 'export_ids'] as const)('of %s the memory', table => {
  it('knows all of a small table, of which it need not be asked', async () => {
    const recent = await recentIds(
      table,
      [
        [5n, 100],
        [9n, 200],
      ],
      2,
    );
    expect([5n, 7n, 9n].map(id => recent.knows(id, 0))).toEqual(['seen', 'new', 'seen']);
  });

  it('has what was added, and not what is expired', async () => {
    const recent = await recentIds(table, [[5n, 100]], 10);
    recent.add([6n], 200, 0);
    expect([5n, 6n, 7n].map(id => recent.knows(id, 150))).toEqual(['new', 'seen', 'new']);
    // A clock that is set back makes expired ids known again.
    expect(recent.knows(5n, 99)).toBe('seen');
  });

  it('never takes for new what the table alone may have', async () => {
    const stored = [
      [3n, 300],
      [8n, 100],
      [1n, 200],
      [7n, 400],
    ] as const;
    for (let maxRecent = 1; maxRecent <= 4; maxRecent++) {
      const recent = await recentIds(table, maxRecent === 1 ? stored : [], maxRecent);
      for (const [id, ms] of stored) {
        expect(recent.knows(id, ms - 1)).not.toBe('new');
        expect(recent.knows(id, ms)).not.toBe('seen');
      }
    }
  });

  it('never takes for new what it has let go of', async () => {
    const recent = await recentIds(table, [], 3);
    const added: [bigint, number][] = [];
    for (let step = 0; step < 50; step++) {
      const id = BigInt((step * 37) % 50);
      // Half of the time the oldest are expired when they are let go of, and the clock is set back now and then.
      const nowMs = 1000 + step * 10 - (step % 7 === 0 ? 25 : 0);
      recent.add([id], nowMs, step % 2 === 0 ? nowMs - 15 : 0);
      added.push([id, nowMs]);
      for (const [known, ms] of added) {
        expect(recent.knows(known, ms - 1)).not.toBe('new');
        expect(recent.knows(known, ms)).not.toBe('seen');
      }
    }
  });
});

describe('the memory', () => {
  it('tells larger batch ids than those it let go of to be new', async () => {
    const recent = await recentIds(
      'batch_ids',
      [
        [1n, 100],
        [2n, 100],
        [3n, 100],
      ],
      2,
    );
    expect([1n, 2n, 3n, 4n].map(id => recent.knows(id, 0))).toEqual(['unsure', 'seen', 'seen', 'new']);
    recent.add([4n, 5n], 100, 0);
    expect([2n, 3n, 4n, 6n].map(id => recent.knows(id, 0))).toEqual(['unsure', 'unsure', 'seen', 'new']);
  });

  it('tells export ids to be new as soon as what it let go of is expired', async () => {
    const recent = await recentIds(
      'export_ids',
      [
        [9n, 100],
        [1n, 200],
        [5n, 300],
      ],
      2,
    );
    expect([9n, 4n, 1n].map(id => recent.knows(id, 50))).toEqual(['unsure', 'unsure', 'seen']);
    expect([9n, 4n, 1n].map(id => recent.knows(id, 100))).toEqual(['new', 'new', 'seen']);
  });
});

describe('batch ids', () => {
  it('that are no UUIDs do not make UUIDs unsure when they are let go of', async () => {
    const connection = await store.database.connect();
    const appender = createAppender(connection);
    const seen = await loadSeenIds(connection, 'batch_ids', 4);
    const runAndReadAll = connection.runAndReadAll.bind(connection);
    let asked = 0;
    connection.runAndReadAll = sql => {
      asked++;
      return runAndReadAll(sql);
    };
    const remember = async (id: string) => {
      const look = await seen.look([{ id }], { nowMs: 1000, expiredMs: 0 });
      const isNew = look.seen({ id }) === 'nothing';
      if (isNew) look.add({ id });
      await look.store(appender);
      look.commit();
      return isNew;
    };
    const uuid = (index: number) => `0197c0de-${String(index).padStart(4, '0')}-7000-8000-000000000000`;
    try {
      for (let index = 0; index < 20; index++) expect(await remember(`comment/${index}`)).toBe(true);
      for (let index = 0; index < 20; index++) expect(await remember(uuid(index))).toBe(true);
      asked = 0;
      expect(await remember(uuid(20))).toBe(true);
      expect(asked).toBe(0);
      expect(await remember('comment/7')).toBe(false);
      expect(await remember(uuid(3))).toBe(false);
    } finally {
      connection.closeSync();
    }
  });
});
