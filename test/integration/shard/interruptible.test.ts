import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { interruptible } from '../../../src/shard/sql/interruptible.ts';
import { openSqlSite, type SqlSite } from '../../support/sql-site.ts';

let site: SqlSite;
beforeEach(async () => {
  site = await openSqlSite();
});
afterEach(() => site.remove());

it('an interrupt that comes after the work is done is none, and nothing is stuck', async () => {
  const connection = await site.database.connect();
  let isStuck = false;
  const work = connection.run('SELECT 1');
  const interruption = interruptible(connection, work, {
    patienceMs: 50,
    onStuck: () => {
      isStuck = true;
    },
  });
  await interruption.done;
  interruption.interrupt();
  await sleep(200);
  expect(isStuck).toBe(false);
  connection.closeSync();
});

it('a query whose caller leaves while its rows are rendered does not end the shard', async () => {
  const stuck: string[] = [];
  await site.remove();
  site = await openSqlSite({
    limits: { maxRows: 1_000_000, maxAnswerBytes: 2 ** 29, memoryLimitBytes: 2 ** 30 },
    patienceMs: 50,
    onStuck: reason => stuck.push(reason),
  });
  const connect = site.database.connect.bind(site.database);
  const caller = new AbortController();
  site.database.connect = async () => {
    const connection = await connect();
    const run = connection.run.bind(connection);
    connection.run = async (...call) => {
      const result = await run(...call);
      if (result.rowCount > 1000) setImmediate(() => caller.abort());
      return result;
    };
    return connection;
  };
  await site.sql.run('SELECT i FROM range(200000) t(i)', caller.signal);
  await sleep(300);
  expect(stuck).toEqual([]);
});
