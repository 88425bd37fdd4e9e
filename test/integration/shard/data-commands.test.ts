import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rename, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compactCommand } from '../../../src/cli/shard/compact.ts';
import { BIN, runCli } from '../../support/cli.ts';
import { openTestStore, spanRecord } from '../../support/shard-store.ts';

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'otelfan-data-commands-'));
  await mkdir(join(dataDir, 'shards'));
});

afterEach(() => rm(dataDir, { recursive: true }));

const folderOf = (id: string) => join(dataDir, 'shards', id);

async function makeShard(id: string, spans: number): Promise<void> {
  const store = await openTestStore();
  await store.store({ spans: [spanRecord(1, 1)] });
  await store.writer.exclusively(async connection => {
    await connection.run(`
      INSERT INTO store.spans SELECT 1, slot, 2 + i, 0, service, operation, i, 1, status, kind,
        '{"a":"' || md5(random()::VARCHAR) || '"}', NULL, NULL, NULL, source, commit_no, NULL
      FROM store.spans, range(${spans - 1}) t(i)`);
    await connection.run(`CREATE OR REPLACE TEMP TABLE again AS SELECT * FROM store.commits`);
    await connection.run('DELETE FROM store.commits');
    await connection.run(`INSERT INTO store.commits SELECT * REPLACE (${spans} AS spans) FROM again`);
    return { result: undefined };
  });
  await store.close();
  await rename(store.dataDir, folderOf(id));
}

describe('otelfan shard verify', () => {
  it('says for every shard of a data folder that it is sound', async () => {
    await makeShard('s0', 10);
    await makeShard('s1', 10);
    const { exitCode, stdout } = await runCli(['shard', 'verify', '--data-dir', dataDir]);
    expect(exitCode).toBe(0);
    const reports = stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as { shard: string; kind: string });
    expect(reports.map(({ shard, kind }) => [shard, kind])).toEqual([
      ['s0', 'sound'],
      ['s1', 'sound'],
    ]);
  });

  it('ends with 3 when it finds damage, and still looks at the other shards', async () => {
    await makeShard('s0', 10);
    await makeShard('s1', 10);
    await truncate(join(folderOf('s0'), 'shard.duckdb'), 5000);
    const { exitCode, stdout } = await runCli(['shard', 'verify', '--data-dir', dataDir]);
    expect(exitCode).toBe(3);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map(line => (JSON.parse(line) as { kind: string }).kind),
    ).toEqual(['damaged', 'sound']);
  });

  it('ends with 1 when a shard could not be checked', async () => {
    await mkdir(folderOf('s0'));
    const { exitCode, stdout } = await runCli(['shard', 'verify', '--id', 's0', '--data-dir', dataDir]);
    expect([exitCode, JSON.parse(stdout)]).toEqual([
      1,
      { shard: 's0', kind: 'not checked', reason: `there is no ${join(folderOf('s0'), 'shard.duckdb')}` },
    ]);
  });

  it.each([
    [['--id', 's7'], 1, 'there is no shard in'],
    [['--id', '../x'], 2, '--id ../x: expected'],
    [['--port', '1'], 2, '--port'],
  ])('tells what is wrong with %j', async (flags, code, message) => {
    const { exitCode, stderr } = await runCli(['shard', 'verify', '--data-dir', dataDir, ...flags]);
    expect([exitCode, stderr]).toEqual([code, expect.stringContaining(message)]);
  });

  it('has a help of its own', async () => {
    const { exitCode, stdout } = await runCli(['shard', 'verify', '--help']);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('3 damage was found')]);
  });
});

describe('otelfan shard compact', () => {
  it('tells the size before and after', async () => {
    await makeShard('s0', 10);
    const { exitCode, stdout } = await runCli(['shard', 'compact', '--id', 's0', '--data-dir', dataDir]);
    expect([exitCode, JSON.parse(stdout)]).toEqual([
      0,
      {
        shard: 's0',
        kind: 'compacted',
        beforeBytes: expect.any(Number) as number,
        afterBytes: expect.any(Number) as number,
      },
    ]);
  });

  it('shows on a terminal how far it is', async () => {
    await makeShard('s0', 400_000);
    let shown = '';
    const stderr = { isTTY: true, write: (text: string) => (shown += text) };
    const io = { stdout: { write: () => {} }, stderr, isTty: true, env: {} };
    expect(await compactCommand(['--data-dir', dataDir], io)).toBe(0);
    expect(shown).toMatch(/shard s0: \d+(\.\d+)? ?% of the rows/);
  });

  it('loses nothing when it is killed, whenever that is', async () => {
    await makeShard('s0', 400_000);
    let killed = 0;
    for (let round = 0; round < 5; round++) {
      const child = spawn(process.execPath, [BIN, 'shard', 'compact', '--data-dir', dataDir], {
        stdio: 'ignore',
      });
      const exited = once(child, 'exit');
      await Promise.race([exited, startOfCopy()]);
      await Promise.race([exited, sleep(100 * round)]);
      if (child.exitCode === null) killed += 1;
      child.kill('SIGKILL');
      await exited;
    }
    expect(killed).toBeGreaterThan(0);
    expect((await runCli(['shard', 'verify', '--data-dir', dataDir])).exitCode).toBe(0);
    expect((await runCli(['shard', 'compact', '--data-dir', dataDir])).exitCode).toBe(0);
    const { exitCode, stdout } = await runCli(['shard', 'verify', '--data-dir', dataDir]);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('400')]);
    expect((await readdir(folderOf('s0'))).sort()).toEqual(['lock', 'shard.duckdb']);
  });

  async function startOfCopy(): Promise<void> {
    const deadlineMs = performance.now() + 10_000;
    while (performance.now() < deadlineMs) {
      if ((await readdir(folderOf('s0'))).includes('shard.duckdb.compacted')) return;
      await sleep(5);
    }
  }

  it('refuses the folder of a shard that runs', async () => {
    const store = await openTestStore();
    await mkdir(join(dataDir, 'shards'), { recursive: true });
    await rename(store.dataDir, folderOf('s0'));
    try {
      const { exitCode, stdout } = await runCli(['shard', 'compact', '--data-dir', dataDir]);
      expect([exitCode, stdout]).toEqual([1, expect.stringContaining('in use by another process')]);
    } finally {
      await store.close();
    }
  });
});
