import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RunningCli, runCli, startCli } from '../support/cli.ts';
import { expectFolderConserved } from '../support/conservation.ts';
import { seededRandom, startLoad } from '../support/load.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { get } from '../support/read-api.ts';
import { temporaryFolder } from '../support/systems.ts';

/** Nothing listens on the discard port. */
const NOWHERE = 'http://127.0.0.1:9';
const POLL = { timeout: 60_000, interval: 100 };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let running: RunningCli[];
let config: string;
beforeEach(async () => {
  folder = await temporaryFolder();
  running = [];
  config = join(folder.path, 'otelfan.yaml');
});
afterEach(async () => {
  for (const process of running.reverse()) await process.stop();
  await expectFolderConserved(folder.path);
  await folder.remove();
});

interface Shard {
  readonly id: string;
  readonly otlp: string;
  readonly read: string;
}

async function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<RunningCli> {
  const process = await startCli(args, env);
  running.push(process);
  return process;
}

async function startShard(id: string): Promise<Shard> {
  const ports = ['--otlp-port', '0', '--read-port', '0'];
  const { addresses } = await start(['shard', '--id', id, '--data-dir', folder.path, ...ports]);
  return { id, otlp: addresses.otlp ?? '', read: addresses.read ?? '' };
}

/** Renamed into its place, as a deployment does it. */
function writeConfig(version: number, shards: readonly (Shard & { state?: string })[]): void {
  const settings = { dataDir: folder.path, delivery: { retryMax: '1s' }, topology: { version, shards } };
  writeFileSync(`${config}.new`, JSON.stringify(settings));
  renameSync(`${config}.new`, config);
}

const INGEST_PORTS = ['http', 'grpc', 'health', 'metrics'].flatMap(name => [`--${name}-port`, '0']);

const startIngest = () =>
  start(['ingest', '--config', config, '--workers', '2', ...INGEST_PORTS], { OTELFAN_LOG_LEVEL: 'info' });

const logLines = (process: RunningCli) =>
  process
    .stderr()
    .split('\n')
    .flatMap(line => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []));

const hasLogged = (process: RunningCli, text: string) => () =>
  logLines(process).some(({ msg }) => String(msg).includes(text));

async function readAll(api: string) {
  const { body } = await get(api, 'traces?service=load&limit=100000');
  return {
    shards: body.shards,
    ids: new Set(((body.spans ?? []) as Json[]).map(span => span.span_id as string)),
  };
}

describe('changing the topology while requests flow', () => {
  it('fails none of them and loses nothing: by SIGHUP, by a changed file, and not at all by an invalid one', async () => {
    const [s0, s1, s2] = [await startShard('s0'), await startShard('s1'), await startShard('s2')];
    writeConfig(1, [s0, s1]);
    const ingest = await startIngest();
    const query = await start(['query', '--config', config, '--api-port', '0']);
    const { http = '' } = ingest.addresses;
    const { api = '' } = query.addresses;
    const load = startLoad({ http, random: seededRandom(7), service: 'load', concurrency: 4, pauseMs: 20 });
    const sentSoFar = () => load.sentSoFar();
    const untilMoreIsSent = async () => {
      const before = sentSoFar();
      await expect.poll(sentSoFar, POLL).toBeGreaterThan(before + 50);
    };

    await untilMoreIsSent();
    writeConfig(2, [s0, s1, s2]);
    process.kill(ingest.pid, 'SIGHUP');
    await expect.poll(hasLogged(ingest, 'the topology changed'), POLL).toBe(true);
    await untilMoreIsSent();

    // The file was not touched: only the signal can have been the reason to look.
    process.kill(ingest.pid, 'SIGHUP');
    await expect.poll(hasLogged(ingest, 'the topology is unchanged'), POLL).toBe(true);

    writeFileSync(config, 'topology: { version: 3, shards: [');
    await expect.poll(hasLogged(ingest, 'the topology stays as it is'), POLL).toBe(true);
    await untilMoreIsSent();

    writeConfig(4, [s0, { ...s1, state: 'draining' }, s2]);
    await expect.poll(() => logLines(ingest).filter(({ toVersion }) => toVersion === 4).length, POLL).toBe(1);
    await untilMoreIsSent();

    const { acknowledged, sent } = await load.stop();
    expect(acknowledged).toEqual(sent);
    await expect.poll(async () => (await readAll(api)).ids.size, POLL).toBe(sent.size);
    expect((await readAll(api)).ids).toEqual(sent);
    expect((await readAll(api)).shards).toMatchObject({ total: 3, ok: 3 });
  });

  it('delivers what waited for a shard to its other address, under the same version', async () => {
    const [s0, s1] = [await startShard('s0'), await startShard('s1')];
    writeConfig(1, [s0, { ...s1, otlp: NOWHERE }]);
    const ingest = await startIngest();
    const query = await start(['query', '--config', config, '--api-port', '0']);
    const { http = '' } = ingest.addresses;
    const load = startLoad({ http, random: seededRandom(6), service: 'load', concurrency: 2, pauseMs: 20 });
    await expect.poll(() => load.sentSoFar(), POLL).toBeGreaterThan(100);
    const { sent } = await load.stop();
    writeConfig(1, [s0, s1]);
    const { api = '' } = query.addresses;
    await expect.poll(async () => (await readAll(api)).ids.size, POLL).toBe(sent.size);
  });

  it('holds the batches of a shard that left the map, and delivers them when it is back', async () => {
    const [s0, s1] = [await startShard('s0'), await startShard('s1')];
    writeConfig(1, [s0, { ...s1, otlp: NOWHERE }]);
    const ingest = await startIngest();
    const query = await start(['query', '--config', config, '--api-port', '0']);
    const { http = '' } = ingest.addresses;
    const { api = '' } = query.addresses;
    const load = startLoad({ http, random: seededRandom(8), service: 'load', concurrency: 2, pauseMs: 20 });
    await expect.poll(() => load.sentSoFar(), POLL).toBeGreaterThan(100);
    const { sent } = await load.stop();

    writeConfig(2, [s0]);
    await expect.poll(hasLogged(ingest, 'otelfan topology reroute s1'), POLL).toBe(true);
    const shown = await runCli(['topology', '--json', '--config', config]);
    const { shards } = JSON.parse(shown.stdout) as { shards: { id: string; state: string }[] };
    expect(shards.map(({ id, state }) => `${id} ${state}`)).toEqual(['s0 active', 's1 held']);

    writeConfig(3, [s0, s1]);
    await expect.poll(async () => (await readAll(api)).ids.size, POLL).toBe(sent.size);
  });

  it('re-routes what is held for a shard that is gone for good, and nothing of it is missing', async () => {
    const [s0, s1] = [await startShard('s0'), await startShard('s1')];
    const gone = { id: 'gone', otlp: NOWHERE, read: NOWHERE };
    writeConfig(1, [s0, s1, gone]);
    const ingest = await startIngest();
    const { http = '' } = ingest.addresses;
    const load = startLoad({ http, random: seededRandom(9), service: 'load', concurrency: 2, pauseMs: 20 });
    await expect.poll(() => load.sentSoFar(), POLL).toBeGreaterThan(100);
    const { sent } = await load.stop();
    writeConfig(2, [s0, s1]);
    const query = await start(['query', '--config', config, '--api-port', '0']);
    const { api = '' } = query.addresses;
    await expect.poll(hasLogged(ingest, 'otelfan topology reroute gone'), POLL).toBe(true);

    const rerouted = await runCli(['topology', 'reroute', 'gone', '--config', config]);
    expect(rerouted).toMatchObject({ exitCode: 0 });
    expect(rerouted.stdout).toMatch(/^Re-routed \d+ batch(?:es)? of shard gone with \d+ records/);
    await expect.poll(async () => (await readAll(api)).ids.size, POLL).toBe(sent.size);
  });
});
