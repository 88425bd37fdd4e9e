import { expect, it } from 'vitest';
import { loadSources, type Sources } from '../../../src/shard/store/sources.ts';
import { openTestStore } from '../../support/shard-store.ts';

const sourceOf = (name: string) => ({ resource: JSON.stringify(name.repeat(400)), scope: '{}' });

it('the last sources are known up to a bound of their size, and no number is given twice', async () => {
  const store = await openTestStore();
  const connection = await store.database.connect();
  async function numbersOf(sources: Sources, ...names: readonly string[]) {
    const all = names.map(sourceOf);
    const { ids, remember } = await sources.resolve(connection, all);
    remember();
    return all.map(source => ids.get(source));
  }
  const sources = await loadSources(connection);
  expect(await numbersOf(sources, 'a', 'b', 'c')).toEqual([1, 2, 3]);
  expect(await numbersOf(sources, 'a', 'b', 'c')).toEqual([1, 2, 3]);

  // Room for two, half of which is left for those to come.
  const again = await loadSources(connection, undefined, 1200);
  expect(await numbersOf(again, 'c', 'a')).toEqual([3, 4]);
  expect(await numbersOf(again, 'd')).toEqual([5]);
  expect(await numbersOf(again, 'd', 'c')).toEqual([5, 6]);
  connection.closeSync();
  await store.remove();
});
