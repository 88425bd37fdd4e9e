import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createServiceTotals, type ServiceTotals } from '../../../src/shard/reads/service-totals.ts';
import { openTestStore, spanRecord, type TestStore } from '../../support/shard-store.ts';

let store: TestStore;
let totals: ServiceTotals;

beforeEach(async () => {
  store = await openTestStore();
  totals = createServiceTotals();
});
afterEach(() => store.remove());

/** Counts the spans at a commit; `meanwhile` runs before the answer to the query of that number. */
async function spansAt(asOf: bigint, { query = 0, meanwhile = async () => {} } = {}): Promise<number> {
  const connection = await store.database.connect();
  const run = connection.run.bind(connection);
  let queries = 0;
  connection.run = async (...call) => {
    const result = await run(...call);
    if (++queries === query) await meanwhile();
    return result;
  };
  try {
    await run('BEGIN TRANSACTION READ ONLY');
    return (await totals.at({ connection, asOf })).get('shop')?.spans ?? 0;
  } finally {
    connection.closeSync();
  }
}

describe('totals of services that are kept', () => {
  it.each([1, 2, 3])(
    'are of the commit that is read at, when others read meanwhile (query %i)',
    async query => {
      await store.store({ spans: [spanRecord(1, 1)] });
      expect(await spansAt(1n)).toBe(1);
      await store.store({ spans: [spanRecord(2, 1)] });
      const meanwhile = async () => {
        await store.store({ spans: [spanRecord(3, 1)] });
        expect(await spansAt(3n)).toBe(3);
      };
      expect(await spansAt(2n, { query, meanwhile })).toBe(2);
      expect(await spansAt(3n)).toBe(3);
    },
  );

  it.each([1, 2, 3])('leave out what was replaced, when others read meanwhile (query %i)', async query => {
    await store.store({ spans: [spanRecord(1, 1)] });
    expect(await spansAt(1n)).toBe(1);
    await store.store({ spans: [spanRecord(2, 1)] });
    await store.store({ spans: [spanRecord(2, 1, { replaces: true })] });
    const meanwhile = async () => expect(await spansAt(2n)).toBe(2);
    expect(await spansAt(3n, { query, meanwhile })).toBe(2);
    expect(await spansAt(3n)).toBe(2);
  });
});
