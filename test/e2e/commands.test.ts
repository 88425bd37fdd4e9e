import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { eventually, get } from '../support/read-api.ts';
import { startUp, temporaryFolder } from '../support/systems.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;

function useFolder(): void {
  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(() => folder.remove());
}

const FREE_PORTS = ['--http-port', '0', '--grpc-port', '0', '--api-port', '0'];

async function sendSpan(http: string, spanId: string): Promise<void> {
  const span = { traceId: 'ab'.repeat(16), spanId: spanId.padStart(16, '0'), name: spanId };
  const response = await fetch(`${http}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }),
  });
  expect(response.status).toBe(200);
}

const spanCount = async (api: string) => {
  const { body } = await get(api, 'traces?limit=1000');
  return (body.spans as Json[]).length;
};

describe('otelfan shard', () => {
  useFolder();

  it('says in one line that its data is damaged', async () => {
    const shardFolder = join(folder.path, 'shards', 's0');
    mkdirSync(shardFolder, { recursive: true });
    writeFileSync(join(shardFolder, 'shard.duckdb'), Buffer.alloc(20_000, 7));
    const ports = ['--otlp-port', '0', '--read-port', '0'];
    const { exitCode, stderr } = await runCli(['shard', '--id', 's0', '--data-dir', folder.path, ...ports]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^otelfan: cannot open the shard's data in .*\n$/);
  });
});

describe('otelfan up', () => {
  useFolder();

  it('ends with 0 on SIGINT and on SIGTERM, and the next start finds the data', async () => {
    for (const [index, signal] of (['SIGINT', 'SIGTERM'] as const).entries()) {
      const system = await startUp(folder.path);
      await sendSpan(system.http, `a${index}`);
      expect(await system.process.stop(signal)).toBe(0);
    }
    const last = await startUp(folder.path);
    await eventually(
      () => spanCount(last.api),
      count => count === 2,
    );
    await last.stop();
  });

  it('gives its shards the settings of its configuration file', async () => {
    const file = join(folder.path, 'otelfan.yaml');
    writeFileSync(file, 'shard: { repeatWindow: 0 }\n');
    const system = await startUp(join(folder.path, 'data'), ['--shards', '1', '--config', file]);
    for (let i = 0; i < 2; i++) await sendSpan(system.http, 'a1');
    await eventually(
      async () => (await get(system.api, 'services')).body.services as Json[],
      services => services[0]?.span_count === 2,
    );
    expect(await system.process.stop()).toBe(0);
  });

  it('reads what every earlier number of shards stored', async () => {
    const counts = [2, 1, 3];
    for (const [index, shards] of counts.entries()) {
      const system = await startUp(folder.path, ['--shards', String(shards)]);
      for (let i = 0; i < 5; i++) await sendSpan(system.http, `a${index}${i}`);
      await eventually(
        () => spanCount(system.api),
        count => count === 5 * (index + 1),
      );
      const { body } = await get(system.api, 'services');
      expect(body.shards.total).toBe(Math.max(...counts.slice(0, index + 1)));
      await system.stop();
    }
  });

  it('starts a shard process that died again, with its data', async () => {
    const system = await startUp(folder.path, ['--shards', '1']);
    await sendSpan(system.http, 'a1');
    await eventually(
      () => spanCount(system.api),
      count => count === 1,
    );
    process.kill(await shardPid(system.process.pid), 'SIGKILL');
    await sendSpan(system.http, 'a2');
    const isWhole = async () => {
      const { body } = await get(system.api, 'traces');
      return !body.partial && (body.spans as Json[]).length === 2;
    };
    await eventually(isWhole, whole => whole);
    await system.stop();
  });

  it('says in one line that the folder is in use', async () => {
    const system = await startUp(folder.path, ['--shards', '1']);
    const second = await runCli(['up', '--data-dir', folder.path, ...FREE_PORTS]);
    await system.stop();
    expect(second.exitCode).toBe(1);
    expect(second.stderr).toBe(`otelfan: data folder ${folder.path} is in use by another otelfan process\n`);
  });

  it('says in one line that the folder cannot be written', async () => {
    const file = join(folder.path, 'file');
    writeFileSync(file, '');
    const { exitCode, stderr } = await runCli(['up', '--data-dir', join(file, 'data'), ...FREE_PORTS]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^otelfan: data folder .*\/file\/data cannot be used: .*\n$/);
  });

  it.each(['--http-port', '--grpc-port', '--api-port'])(
    'says in one line that the port of %s is taken',
    async flag => {
      const taken = createServer().listen(0, '127.0.0.1');
      await new Promise(resolve => taken.once('listening', resolve));
      const { port } = taken.address() as AddressInfo;
      const args = ['up', '--data-dir', folder.path, '--shards', '1', ...FREE_PORTS, flag, String(port)];
      const { exitCode, stderr } = await runCli(args);
      taken.close();
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(new RegExp(`^otelfan: address .*:${port} is in use; .*\\n$`));
    },
  );

  it('prints where everything listens and commands to try it with', async () => {
    const help = await runCli(['up', '--help']);
    expect(help.exitCode).toBe(0);
    expect(help.stdout).toContain('--data-dir DIR');
    expect(help.stdout).toContain('Example:');
  });
});

/** The shard is the only child of `up` with one shard. */
async function shardPid(upPid: number): Promise<number> {
  return Number((await readFile(`/proc/${upPid}/task/${upPid}/children`, 'utf8')).trim());
}

const COMMANDS = [
  'up',
  'ingest',
  'query',
  'shard',
  'get',
  'demo',
  'send',
  'topology',
  'dead-letter',
  'check-config',
];

/* Side by side, for they share nothing and mostly load what they are made of. */
describe.concurrent('otelfan', () => {
  it('shows its commands with --help, and its version', async () => {
    const help = await runCli(['--help']);
    expect(help.exitCode).toBe(0);
    for (const command of COMMANDS) expect(help.stdout).toContain(`  ${command} `);
    expect((await runCli(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each(COMMANDS)('%s --help shows an example', async command => {
    const { exitCode, stdout } = await runCli([command, '--help']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/Example/);
  });

  it('shard says in one line that the topology does not have it', async () => {
    const topology = '{ shards: [{ id: s0, otlp: "http://a:4318", read: "http://a:7800" }] }';
    const { exitCode, stderr } = await runCli(['shard', '--id', 's9'], { OTELFAN_TOPOLOGY: topology });
    expect(exitCode).toBe(2);
    expect(stderr).toBe('otelfan: --id s9: the topology has no such shard; it has s0\n');
  });

  it('ingest says in one line how the address of a shard of kind tael has to look', async () => {
    const topology =
      '{ shards: [{ id: t, kind: tael, otlp: "http://tael:4317", read: "http://tael:7701" }] }';
    const { exitCode, stderr } = await runCli(['ingest'], { OTELFAN_TOPOLOGY: topology });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('shards of kind tael are fed at grpc://HOST:PORT');
  });

  it.each([
    [[], 2],
    [['fly'], 2],
    [['up', '--fly'], 2],
    [['up', '--shards', 'many'], 2],
    [['ingest'], 2],
    [['query'], 2],
    [['shard'], 2],
    [['shard', '--id', '..'], 2],
    [['get'], 2],
  ])('ends with a usage error on %j', async (args, exitCode) => {
    const { stderr, exitCode: actual } = await runCli(args);
    expect(actual).toBe(exitCode);
    expect(stderr).not.toBe('');
    expect(stderr).not.toContain('    at ');
  });
});
