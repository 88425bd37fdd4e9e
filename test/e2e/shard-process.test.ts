import { copyFile, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ShardProcess, startShardProcess } from '../../src/cli/compose/shard-process.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { eventually } from '../support/read-api.ts';
import { temporaryFolder } from '../support/systems.ts';
import { otlpBytes, post, read } from '../support/test-shard.ts';

const BIN = join(import.meta.dirname, '..', '..', 'bin', 'otelfan.mjs');

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let shards: ShardProcess[];
let log: Json[];

beforeEach(async () => {
  folder = await temporaryFolder();
  shards = [];
  log = [];
});

afterEach(async () => {
  await Promise.all(shards.map(shard => shard.stop()));
  await folder.remove();
});

async function start(
  id: string,
  options: Partial<Parameters<typeof startShardProcess>[0]> = {},
): Promise<ShardProcess> {
  const shard = await startShardProcess({
    id,
    dataDir: folder.path,
    configFile: undefined,
    entry: [BIN],
    logLevel: 'silent',
    env: process.env,
    logger: pino({}, { write: (line: string) => void log.push(JSON.parse(line) as Json) }),
    ...options,
  });
  shards.push(shard);
  return shard;
}

function isReady(shard: ShardProcess): Promise<boolean> {
  return fetch(`${shard.read}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );
}

async function storeSpan({ otlp }: ShardProcess, name: string): Promise<void> {
  const span = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', name };
  const body = otlpBytes('traces', { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
  expect((await post(otlp, { signal: 'traces', body })).status).toBe(200);
}

async function spanNames(shard: ShardProcess): Promise<unknown[]> {
  return (await read(shard.read, 'spans', { limit: 10 })).rows.map(row => row.operation);
}

/** How long those starts might take that took too long. */
function limits(lines: readonly Json[]): unknown[] {
  const ended = lines.filter(({ msg }) => msg === 'shard process is not ready; ending it');
  return ended.map(({ startLimitMs }) => startLimitMs);
}

function sql({ read: url }: ShardProcess, query: string): Promise<Response> {
  return fetch(`${url}/internal/v1/sql`, { method: 'POST', body: JSON.stringify({ query }) });
}

/** A program in the place of a shard that does in each of its lives what the script says, and how often it was started. */
async function scriptedShard(script: readonly string[]) {
  const entry = join(folder.path, 'scripted.mjs');
  const diary = join(folder.path, 'lives');
  await writeFile(diary, '');
  await writeFile(
    entry,
    `import { appendFileSync, readFileSync } from 'node:fs';
     import { createServer } from 'node:http';
     const deed = ${JSON.stringify(script)}[readFileSync(${JSON.stringify(diary)}, 'utf8').length];
     appendFileSync(${JSON.stringify(diary)}, '.');
     const port = Number(process.argv[process.argv.indexOf('--read-port') + 1]);
     const server = createServer((_, response) => response.end()).listen(port, '127.0.0.1', () => {
       const url = 'http://127.0.0.1:' + server.address().port;
       if (deed === 'ready') console.log(JSON.stringify({ otlp: url, read: url }));
       if (deed === 'babble') console.log('{"otlp":"here"}');
       if (deed === 'gibberish') console.log('no JSON');
     });
     process.on('disconnect', () => process.exit());`,
  );
  return { entry: [entry], lives: async () => (await readFile(diary, 'utf8')).length };
}

describe('a shard process', () => {
  it('that once could not be started is tried again', async () => {
    const { execPath } = process;
    const node = join(folder.path, 'node');
    await copyFile(execPath, node);
    process.execPath = node;
    try {
      const shard = await start('s0');
      await rename(node, `${node}.away`);
      process.kill(shard.pid() as number, 'SIGKILL');
      await eventually(
        () => Promise.resolve(shard.pid()),
        pid => pid === undefined,
      );
      await rename(`${node}.away`, node);
      await eventually(
        () => isReady(shard),
        ready => ready,
      );
    } finally {
      process.execPath = execPath;
    }
  });

  it('that is killed leaves the others answering, and comes back at its addresses with its data', async () => {
    const [victim, other] = await Promise.all([start('s0'), start('s1')]);
    await storeSpan(victim, 'of s0');
    await storeSpan(other, 'of s1');
    const pid = victim.pid() as number;
    process.kill(pid, 'SIGKILL');
    await eventually(
      () => isReady(victim),
      ready => !ready,
    );
    expect(await spanNames(other)).toEqual(['of s1']);
    await eventually(
      () => isReady(victim),
      ready => ready,
    );
    expect(victim.pid()).not.toBe(pid);
    expect(await spanNames(victim)).toEqual(['of s0']);
    expect(log).toContainEqual(
      expect.objectContaining({
        msg: 'shard process ended; starting it again',
        shard: 's0',
        signal: 'SIGKILL',
      }),
    );
    await eventually(
      () => Promise.resolve(log),
      lines => lines.some(({ msg, shard }) => msg === 'shard process is back' && shard === 's0'),
    );
  });

  it('that is ended again and again is started after longer and longer pauses', async () => {
    const shard = await start('s0');
    const pauses = () => log.flatMap(({ restartMs }) => (restartMs as number | undefined) ?? []);
    for (let time = 1; time <= 3; time++) {
      await eventually(
        () => isReady(shard),
        ready => ready,
      );
      process.kill(shard.pid() as number, 'SIGKILL');
      await eventually(
        () => Promise.resolve(pauses().length),
        count => count === time,
      );
    }
    expect(pauses()).toEqual([250, 500, 1000]);
  });

  it('that no longer answers is ended and started again', async () => {
    const shard = await start('s0', { liveness: { everyMs: 300, silences: 3 } });
    const pid = shard.pid() as number;
    process.kill(pid, 'SIGSTOP');
    await eventually(
      () => Promise.resolve(shard.pid()),
      now => now !== pid && now !== undefined,
    );
    await eventually(
      () => isReady(shard),
      ready => ready,
    );
    expect(log).toContainEqual(
      expect.objectContaining({ msg: 'shard process does not answer; ending it', shard: 's0' }),
    );
  });

  it('that does not get ready when started again may take twice as long the next time, until it was ready', async () => {
    const { entry, lives } = await scriptedShard(['ready', 'hang', 'hang', 'ready', 'hang']);
    const shard = await start('s0', { entry, startLimitMs: 500 });
    process.kill(shard.pid() as number, 'SIGKILL');
    await eventually(lives, count => count === 4);
    await eventually(
      () => Promise.resolve(log),
      lines => lines.some(({ msg }) => msg === 'shard process is back'),
    );
    const before = log.length;
    process.kill(shard.pid() as number, 'SIGKILL');
    await eventually(
      () => Promise.resolve(limits(log.slice(before))),
      later => later.length > 0,
    );
    expect(limits(log).slice(0, 2)).toEqual([500, 1000]);
    expect(limits(log.slice(before))[0]).toBe(500);
  });

  it('that does not get ready at the first start is ended, and it is said how long it had', async () => {
    const { entry, lives } = await scriptedShard(['hang']);
    await expect(start('s0', { entry, firstStartLimitMs: 300 })).rejects.toThrow(
      'shard s0 was not ready after 300 ms and was ended',
    );
    expect(await lives()).toBeLessThanOrEqual(1);
  });

  it('that says something else than where it listens is ended, at the first start', async () => {
    const { entry, lives } = await scriptedShard(['babble']);
    await expect(start('s0', { entry })).rejects.toThrow(
      'a shard did not say where it listens but "{\\"otlp\\":\\"here\\"}"',
    );
    expect(await lives()).toBe(1);
  });

  it.each(['babble', 'gibberish'])(
    'that says something else (%s) when it is started again is started once more',
    async words => {
      const { entry } = await scriptedShard(['ready', words, 'ready']);
      const shard = await start('s0', { entry });
      process.kill(shard.pid() as number, 'SIGKILL');
      await eventually(
        () => Promise.resolve(log),
        lines => lines.some(({ msg }) => msg === 'shard process is back'),
      );
      expect(log).toContainEqual(expect.objectContaining({ msg: 'shard process did not start' }));
      expect(await isReady(shard)).toBe(true);
    },
  );

  it('D23: ends itself when an SQL query cannot be ended, and is started again with its data', async () => {
    const shard = await start('s0', { env: { ...process.env, OTELFAN_SHARD_SQL_TIMEOUT: '200ms' } });
    await storeSpan(shard, 'kept');
    const pid = shard.pid();
    // Twenty calls of a function, each of seconds, between which DuckDB looks for no interrupt.
    const query = `SELECT ${Array.from({ length: 20 }, (_, i) => `levenshtein(a, b || '${i}')`).join(' + ')}
      FROM (SELECT '${'a'.repeat(40_000)}' AS a, '${'b'.repeat(40_000)}' AS b)`;
    const answer = sql(shard, query).then(
      ({ status }) => status,
      () => 'cut off',
    );
    // What else the shard does is not held up by it.
    expect(await spanNames(shard)).toEqual(['kept']);
    expect(await answer).toBe('cut off');
    await eventually(
      () => isReady(shard),
      ready => ready,
    );
    expect(shard.pid()).not.toBe(pid);
    expect(log).toContainEqual(
      expect.objectContaining({ msg: 'shard process ended; starting it again', code: 75 }),
    );
    expect(await spanNames(shard)).toEqual(['kept']);
    expect((await sql(shard, 'SELECT 1')).status).toBe(200);
  });

  it('has a thread for each read that may run, and some to spare', async context => {
    if (process.platform !== 'linux') context.skip('threads are counted in /proc');
    const threads = async (maxConcurrentReads: number) => {
      const env = { ...process.env, OTELFAN_SHARD_MAX_CONCURRENT_READS: String(maxConcurrentReads) };
      const shard = await start(`s${maxConcurrentReads}`, { env });
      return (await readdir(`/proc/${shard.pid()}/task`)).length;
    };
    expect((await threads(60)) - (await threads(20))).toBe(40);
  });
});
