import { afterEach, describe, expect, it } from 'vitest';
import { parseRead } from '../../../src/shard/reads/call.ts';
import { createReader } from '../../../src/shard/reads/reader.ts';
import { retentionStep } from '../../../src/shard/store/retention.ts';
import type { ShardReadName } from '../../../src/shared/read/contract.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { NO_WRITER } from '../../support/read-shards.ts';
import { DAY_MS, openTestStore, type TestStore } from '../../support/shard-store.ts';
import { parseAnswer, type ReadAnswer } from '../../support/test-shard.ts';

const hash = await createHash();
/** Several of DuckDB's row groups, of which retention empties the first. */
const COMMITS = 250;
const DELETED = 200;
const ROWS_EACH = 1000;
const ROWS = COMMITS * ROWS_EACH;
/** All that stays is of one time, so that no time tells rows apart. */
const TIME = 7;
const TRACE = 'ab'.padStart(32, '0');
const KEY = hash.hash64(Buffer.from(TRACE, 'hex'));

const FILL = {
  spans: `SELECT ${BigInt(`0x${TRACE}`)}, 0, i + 1, 0, 'shop', 'op' || i, ${TIME}, 1, 'unset', 'internal', '{}', NULL, NULL,
    NULL, 1, 1 + i // ${ROWS_EACH}, NULL FROM range(${ROWS}) t(i)`,
  logs: `SELECT ${TIME}, 0, 0, 0, 'info', '', 'body ' || i, NULL, 'shop', '{}', NULL, 1, hash(i), 1 + i // ${ROWS_EACH}
    FROM range(${ROWS}) t(i)`,
  metrics: `SELECT ${TIME}, 'shop', 'm' || i, 'gauge', i, '', '{}', NULL, 1, hash(i), 1 + i // ${ROWS_EACH}
    FROM range(${ROWS}) t(i)`,
};
type Table = keyof typeof FILL;

let store: TestStore;
afterEach(() => store.remove());

/** A store of one table whose retention has deleted most rows, which a checkpoint has yet to drop. */
async function openRetained(table: Table): Promise<void> {
  store = await openTestStore();
  await store.maintenance.stop();
  const nowMs = store.nowMs();
  const age = `CASE WHEN i < ${DELETED} THEN ${nowMs - 40 * DAY_MS} ELSE ${nowMs} END`;
  const counts = Object.keys(FILL).map(each => (each === table ? ROWS_EACH : 0));
  await store.writer.exclusively(async connection => {
    await connection.run(`
      INSERT INTO store.sources VALUES (1, '{}', '{}');
      INSERT INTO store.trace_commits SELECT ${KEY}, 1 + i, false FROM range(${COMMITS}) t(i);
      INSERT INTO store.commits
      SELECT 1 + i, ${age}, ${counts.join(', ')}, ${TIME}, ${TIME}, ${TIME} FROM range(${COMMITS}) t(i);
      INSERT INTO store.${table} ${FILL[table]};
      CHECKPOINT`);
    for (let deleted = 0; deleted < DELETED; ) {
      const limits = { maxAgeMs: 30 * DAY_MS, maxBytes: 2 ** 40, evalAgeMs: 365 * DAY_MS };
      deleted += (await retentionStep(connection, limits, nowMs)).commits;
    }
    return { result: undefined };
  });
}

/** The answer when a checkpoint comes before the first statement with some text; and the answer that is right. */
async function answers(
  name: ShardReadName,
  request: object,
  before: string,
): Promise<{ readonly shaken: ReadAnswer; readonly right: ReadAnswer; readonly checkpoints: number }> {
  const { database, writer } = store;
  let checkpoints = 0;
  const checkpoint = async () => {
    checkpoints++;
    await writer.exclusively(async connection => {
      await connection.run('CHECKPOINT');
      return { result: undefined };
    });
  };
  const connect = async () => {
    const connection = await database.connect();
    const prepare = connection.prepare.bind(connection);
    connection.prepare = async sql => {
      if (checkpoints === 0 && sql.includes(before)) await checkpoint();
      return prepare(sql);
    };
    return connection;
  };
  const caps = { maxRows: 1_000_000, maxBytes: 1024 ** 3 };
  const deps = { hash, caps, writer: NO_WRITER, indexBytes: 1024 ** 2 };
  const call = parseRead(name, request);
  if (call.kind === 'refused') throw new Error(call.message);
  const read = async (from: typeof database) => {
    const answer = await createReader({ ...deps, database: from }).read(
      call.value,
      new AbortController().signal,
    );
    if (answer.kind === 'gone') throw new Error(answer.reason);
    return parseAnswer([...answer.lines].join(''));
  };
  const shaken = await read({ ...database, connect });
  return { shaken, right: await read(database), checkpoints };
}

const ROW_READ = 'generate_subscripts';

describe('a read that a checkpoint comes into, after which DuckDB numbers rows anew, shows the right rows:', () => {
  it.each<[ShardReadName, Table, object]>([
    ['spans', 'spans', { limit: 1500 }],
    ['logs', 'logs', { limit: 10 }],
    ['logs', 'logs', { limit: 10, bodyContains: '249' }],
    ['metrics', 'metrics', { limit: 5000, oldestFirst: true }],
    ['trace', 'spans', { traceId: TRACE }],
  ])('%s of %s, %o', async (name, table, request) => {
    await openRetained(table);
    const { shaken, right, checkpoints } = await answers(name, request, ROW_READ);
    expect(checkpoints).toBe(1);
    expect(shaken).toEqual(right);
    expect(right.rows.length).toBeGreaterThan(0);
  });
});
