import type { DuckDBConnection } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ShardReadRequest } from '../../../src/shared/read/contract.ts';
import { openReaders, type ReadTestShard } from '../../support/read-shards.ts';
import { parseAnswer, type ReadAnswer } from '../../support/test-shard.ts';
import { watchedReader } from '../../support/watched-reader.ts';

const ROWS = 200_000;
const ROWS_PER_COMMIT = 100;

/*
 * Times go up with the commits, but for every hundredth row: that one comes from long ago, and every 50 000th from far
 * in the future. Service `rare` has few rows, all of them old. A user has forty rows of one or two commits, and
 * the older half of the rows is of another age.
 */
const TIME = `CASE WHEN i % 50000 = 49999 THEN 10_000_000_000 + i
  WHEN i % 100 = 99 THEN i * 500 ELSE 1_000_000_000 + i * 1000 + hash(i) % 700_000 END::UBIGINT`;
const SERVICE = `CASE WHEN i < 60000 AND i % 1000 = 5 THEN 'rare' WHEN i % 7 = 3 THEN 'some' ELSE 'many' END`;
const USER_ROWS = 40;
const AGE = `CASE WHEN i < ${ROWS / 2} THEN 'old' ELSE 'new' END`;
const ATTRIBUTES = `'{"user":"' || i // ${USER_ROWS} || '","age":"' || ${AGE} || '"}'`;
const COMMIT = `i // ${ROWS_PER_COMMIT} + 1`;

let shard: ReadTestShard;
beforeAll(async () => {
  [shard] = (await openReaders(1)) as [ReadTestShard];
  await shard.connection.run(`
    INSERT INTO store.sources VALUES (1, '{}', '{}');
    INSERT INTO store.spans
    SELECT i + 1, 0, i + 1, 0, ${SERVICE}, 'op', ${TIME}, 1, 'unset', 'internal', ${ATTRIBUTES}, NULL, NULL, NULL, 1, ${COMMIT}, NULL
    FROM range(${ROWS}) t(i);
    INSERT INTO store.logs
    SELECT ${TIME}, 0, 0, 0, 'info', 'INFO', 'body', NULL, ${SERVICE}, '{}', NULL, 1, i, ${COMMIT} FROM range(${ROWS}) t(i);
    INSERT INTO store.metrics
    SELECT ${TIME}, ${SERVICE}, 'name', 'gauge', 1, '', '{}', NULL, 1, i, ${COMMIT} FROM range(${ROWS}) t(i);
    INSERT INTO store.commits
    SELECT commit_no, 0, count(*), count(*), count(*), max(start_ns), max(start_ns), max(start_ns)
    FROM store.spans GROUP BY commit_no ORDER BY commit_no`);
});
afterAll(() => shard.remove());

type Request = ShardReadRequest<'spans'> & ShardReadRequest<'logs'> & ShardReadRequest<'metrics'>;

async function newestTimes(
  connection: DuckDBConnection,
  table: string,
  column: string,
  { service, fromNs = '0', toNs = '99999999999', limit }: Request,
): Promise<number[]> {
  const result = await connection.runAndReadAll(
    `SELECT ${column} FROM store.${table}
     WHERE service = coalesce($1, service) AND ${column} BETWEEN ${fromNs} AND ${toNs}
     ORDER BY ${column} DESC LIMIT ${limit}`,
    [service ?? null],
  );
  return result.getRows().map(([time]) => Number(time));
}

const REQUESTS: readonly Request[] = [
  { limit: 0 },
  { limit: 10 },
  { limit: 3000, service: 'some' },
  { limit: 100, service: 'rare' },
  { limit: 100, service: 'nobody' },
  { limit: 50_000, service: 'many' },
  { limit: 100, service: 'some', toNs: '1100000000' },
  { limit: 100, service: 'some', toNs: '1000' },
  { limit: 100_000, fromNs: '1200000000', toNs: '1280000000' },
];

describe('the newest', () => {
  it.each(REQUESTS)('spans are those of all rows, whatever their commits: %o', async request => {
    const { keys } = await shard.read('spans', request);
    const expected = await newestTimes(shard.connection, 'spans', 'start_ns', request);
    expect(keys.map(([time]) => Number(time))).toEqual(expected);
  });

  it.each([
    [{ limit: 100, attributes: [['user', '4990']] }, USER_ROWS],
    [{ limit: 100, attributes: [['user', '17']] }, USER_ROWS],
    [{ limit: 10, attributes: [['user', '17']] }, 10],
    [{ limit: 100, attributes: [['user', '17']], fromNs: '1100000000' }, 0],
    [{ limit: 100, attributes: [['user', '3002']], fromNs: '1100000000' }, 39],
    [{ limit: 100, attributes: [['user', 'nobody']] }, 0],
    [
      {
        limit: 100,
        attributes: [
          ['user', '2502'],
          ['age', 'new'],
        ],
        service: 'some',
      },
      6,
    ],
    [
      {
        limit: 100,
        attributes: [
          ['user', '2502'],
          ['age', 'old'],
        ],
      },
      0,
    ],
    [{ limit: 100, attributes: [['age', 'old']] }, 100],
    [{ limit: 50_000, attributes: [['age', 'old']] }, 50_000],
  ] as [Request, number][])(
    'spans with an attribute are those of all rows, however often it was asked for: %o',
    async (request, count) => {
      const watched = await watchedReader(shard, { maxRows: 100_000 });
      const answers: ReadAnswer[] = [];
      for (let times = 1; times <= 3; times++)
        answers.push(parseAnswer((await watched.read('spans', request)).join('')));
      const wanted = (key: string) => request.attributes?.find(([name]) => name === key)?.[1] ?? null;
      const expected = await shard.connection.runAndReadAll(
        `SELECT start_ns FROM (SELECT *, (span_id - 1)::BIGINT AS i FROM store.spans)
         WHERE service = coalesce($1, service) AND start_ns >= ${request.fromNs ?? 0}
           AND coalesce((i // ${USER_ROWS})::VARCHAR = $2, true) AND coalesce(${AGE} = $3, true)
         ORDER BY start_ns DESC LIMIT ${request.limit}`,
        [request.service ?? null, wanted('user'), wanted('age')],
      );
      const times = expected.getRows().map(([time]) => Number(time));
      expect(times).toHaveLength(count);
      for (const { keys } of answers) expect(keys.map(([time]) => Number(time))).toEqual(times);
    },
  );

  it('spans with a rare attribute are looked for in their commits alone, when it was asked for before', async () => {
    const watched = await watchedReader(shard);
    const request = { limit: 100, attributes: [['user', '17']] } satisfies ShardReadRequest<'spans'>;
    for (let times = 1; times <= 2; times++) await watched.read('spans', request);
    watched.asked.length = 0;
    await watched.read('spans', request);
    const scans = watched.asked.filter(sql => sql.includes('contains(attributes'));
    expect(scans).toHaveLength(2);
    // Behind the newest of them, which are gone through before anything else is asked.
    expect(scans[1]).toMatch(/WHERE commit_no = 7 UNION ALL .* WHERE commit_no = 8\)/);
  });

  it.each(REQUESTS)('logs and metrics are those of all rows, whatever their commits: %o', async request => {
    for (const table of ['logs', 'metrics'] as const) {
      const { keys } = await shard.read(table, request);
      const expected = await newestTimes(shard.connection, table, 'time_ns', request);
      expect(keys.map(([time]) => Number(time))).toEqual(expected);
    }
  });

  it.each([
    ['nowhere', [], 1],
    ['in a few commits', [1, 2, 3], 1],
    ['in many commits', Array.from({ length: 300 }, (_, index) => index + 1), 3],
  ])('logs are looked for by words once when a word is %s', async (word, commitNos, times) => {
    const values = commitNos.map(commitNo => `('${word.replaceAll(' ', '_')}', ${commitNo})`);
    if (values.length > 0)
      await shard.connection.run(`INSERT INTO store.log_words VALUES ${values.join(', ')}`);
    const watched = await watchedReader(shard);
    await watched.read('logs', { text: word.replaceAll(' ', '_'), limit: 10 });
    expect(watched.asked.filter(sql => sql.includes('store.log_words'))).toHaveLength(times);
  });

  it('spans go on where a page ended', async () => {
    const request = { service: 'some', limit: 20_000 };
    const whole = (await shard.read('spans', request)).keys;
    const startAt = whole[15_000] as [string, string, string];
    expect((await shard.read('spans', { ...request, startAt })).keys.slice(0, 5000)).toEqual(
      whole.slice(15_000),
    );
  });
});
