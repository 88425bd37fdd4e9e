import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import grpc from '@grpc/grpc-js';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SIGNAL_FACTS } from '../../src/shared/otlp/signal.ts';
import { type RunningCli, runCli, startCli } from '../support/cli.ts';
import { expectNothingUnaccounted } from '../support/conservation.ts';
import { seededRandom, startLoad } from '../support/load.ts';
import { scrape, sumOf } from '../support/metrics.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { OK_MEANS } from '../support/promises.ts';
import { openDataFolderQueue } from '../support/queue-samples.ts';
import { eventually, get } from '../support/read-api.ts';
import { cannotControlRedis } from '../support/redis.ts';
import { openRedisQueue } from '../support/redis-queue.ts';
import { type SeparateSystem, startSeparate, startUp, temporaryFolder } from '../support/systems.ts';

const WORKERS = ['worker-1', 'worker-2'];

interface LogLine {
  readonly name: string;
  readonly pid: number;
  readonly msg: string;
  readonly worker?: number;
  readonly signal?: string;
  readonly topologyVersion?: number;
}

function logOf(process: RunningCli): LogLine[] {
  return process
    .stderr()
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as LogLine);
}

/** Process ids of the workers that run now, by their names in the log. */
function workerPids(process: RunningCli): number[] {
  return [1, 2].map(number => {
    const ready = logOf(process).filter(
      ({ name, msg }) => name === `ingest worker ${number}` && msg === 'ingest worker is ready',
    );
    return ready.at(-1)?.pid as number;
  });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** One export without records on a connection of its own. */
function exportOverHttp(http: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-protobuf', 'content-length': 0 };
    // A connection on its way to a worker that is killed just then gets no answer.
    const signal = AbortSignal.timeout(2000);
    request(`${http}/v1/traces`, { method: 'POST', headers, agent: new Agent(), signal }, response => {
      response.resume().once('end', () => resolve(response.statusCode));
    })
      .once('error', reject)
      .end();
  });
}

async function exportOverGrpc(address: string): Promise<void> {
  const raw = (bytes: Buffer) => bytes;
  const client = new grpc.Client(address.replace('grpc://', ''), grpc.credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });
  const path = `/${SIGNAL_FACTS.traces.grpcService}/Export`;
  try {
    await new Promise<void>((resolve, reject) => {
      client.makeUnaryRequest(path, raw, raw, Buffer.alloc(0), error => (error ? reject(error) : resolve()));
    });
  } finally {
    client.close();
  }
}

const spanIds = async (api: string) => {
  const { body } = await get(api, 'traces?service=load&limit=100000');
  return new Set(((body.spans ?? []) as Json[]).map(span => span.span_id as string));
};

function untilStored(api: string, acknowledged: ReadonlySet<string>): Promise<unknown> {
  return eventually(
    () => spanIds(api),
    stored => [...acknowledged].every(id => stored.has(id)),
  );
}

async function expectDelivered(system: SeparateSystem, acknowledged: ReadonlySet<string>): Promise<void> {
  await untilStored(system.api, acknowledged);
  const queue = await openRedisQueue(system.redisUrl);
  try {
    await expectNothingUnaccounted({ metrics: system.metrics, queue });
  } finally {
    await queue.stop();
  }
}

describe.skipIf(cannotControlRedis !== undefined)('ingest with two workers', () => {
  let system: SeparateSystem;
  const everyAcknowledged = new Set<string>();
  beforeAll(async () => {
    system = await startSeparate({
      shards: 2,
      ingestFlags: ['--workers', '2'],
      ingestEnv: { OTELFAN_LOG_LEVEL: 'info' },
    });
  });
  afterAll(() => system?.stop());

  const load = (seed: number) =>
    startLoad({
      http: system.http,
      random: seededRandom(seed),
      service: 'load',
      concurrency: 6,
      persistent: true,
    });

  async function loadFor(ms: number) {
    const running = load(5);
    await new Promise(resolve => setTimeout(resolve, ms));
    return running.stop();
  }

  it('spreads connections over both, HTTP and gRPC, on the same ports', async () => {
    for (let i = 0; i < 6; i++) {
      expect(await exportOverHttp(system.http)).toBe(200);
      await exportOverGrpc(system.grpc);
    }
    const series = await scrape(system.metrics);
    for (const process of WORKERS) {
      for (const transport of ['http', 'grpc']) {
        const requests = sumOf(series, 'otelfan_requests_total', { process, transport });
        expect(requests, `${process} ${transport}`).toBeGreaterThan(0);
      }
    }
    expect(sumOf(series, 'otelfan_requests_total', { condition: 'accepted' })).toBe(12);
    expect(sumOf(series, 'otelfan_workers')).toBe(2);
  });

  it('leaves looking after lanes to the primary', async () => {
    const client = new Redis(system.redisUrl);
    const monitor = await client.monitor();
    const caretakers = new Map<string, number>();
    monitor.on('monitor', (_time: string, args: readonly string[], source: string) => {
      const isCheck = /^evalsha$/i.test(args[0] ?? '') && args.some(arg => arg.endsWith(':stalled-check'));
      if (isCheck) caretakers.set(source, (caretakers.get(source) ?? 0) + 1);
    });
    try {
      // Both workers have stored batches for both lanes, and so know of them.
      const { acknowledged } = await loadFor(500);
      for (const id of acknowledged) everyAcknowledged.add(id);
      const rounds = () => Math.max(0, ...caretakers.values());
      await expect.poll(rounds, { timeout: 30_000 }).toBeGreaterThanOrEqual(6);
      expect(caretakers.size).toBe(1);
    } finally {
      monitor.disconnect();
      client.disconnect();
    }
  });

  it(`${OK_MEANS} (kill -9 of a worker: it is started again, and the log says so)`, async () => {
    const ingest = system.ingest();
    const [victim] = workerPids(ingest) as [number, number];
    const running = load(1);
    await new Promise(resolve => setTimeout(resolve, 700));
    const before = sumOf(await scrape(system.metrics), 'otelcol_receiver_accepted_spans_total') as number;
    process.kill(victim, 'SIGKILL');
    await new Promise(resolve => setTimeout(resolve, 700));
    const { acknowledged } = await running.stop();
    for (const id of acknowledged) everyAcknowledged.add(id);
    expect(acknowledged.size).toBeGreaterThan(50);

    await eventually(
      async () => sumOf(await scrape(system.metrics), 'otelfan_workers'),
      workers => workers === 2,
    );
    expect(logOf(ingest)).toContainEqual(
      expect.objectContaining({
        msg: 'ingest worker ended; starting it again',
        worker: 1,
        signal: 'SIGKILL',
      }),
    );
    expect(workerPids(ingest)[0]).not.toBe(victim);
    const series = await scrape(system.metrics);
    expect(sumOf(series, 'otelfan_worker_restarts_total')).toBe(1);
    // What the dead worker had told before it died is still counted.
    expect(sumOf(series, 'otelcol_receiver_accepted_spans_total')).toBeGreaterThanOrEqual(before);
    await expectDelivered(system, acknowledged);
  });

  it('comes back on the same ports when all of them are killed at once', async () => {
    const ingest = system.ingest();
    for (const pid of workerPids(ingest)) process.kill(pid, 'SIGKILL');
    await eventually(
      () => exportOverHttp(system.http).catch(() => undefined),
      status => status === 200,
    );
    await eventually(
      async () => sumOf(await scrape(system.metrics), 'otelfan_workers'),
      workers => workers === 2,
    );
    await exportOverGrpc(system.grpc);
  });

  it(`${OK_MEANS} (kill -9 of the primary: its workers end with it)`, async () => {
    const pids = workerPids(system.ingest());
    expect(pids.every(isAlive)).toBe(true);
    const running = load(2);
    await new Promise(resolve => setTimeout(resolve, 700));
    await system.ingest().kill();
    await expect.poll(() => pids.filter(isAlive), { timeout: 15_000 }).toEqual([]);
    const { acknowledged } = await running.stop();
    for (const id of acknowledged) everyAcknowledged.add(id);
    expect(acknowledged.size).toBeGreaterThan(50);
    await system.restartIngest();
    await expectDelivered(system, everyAcknowledged);
  });

  it('answers what is in hand when asked to stop, tells that it is not ready, and leaves no process', async () => {
    const ingest = system.ingest();
    const pids = workerPids(ingest);
    const body = Buffer.from(JSON.stringify({ resourceSpans: [] }));
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const slow = request(`${system.http}/v1/traces`, { method: 'POST', headers, agent: new Agent() });
    const answered = new Promise<number | undefined>((resolve, reject) => {
      slow.once('response', response => resolve(response.resume().statusCode));
      slow.once('error', reject);
    });
    slow.write(body.subarray(0, 5));
    await eventually(
      async () => sumOf(await scrape(system.metrics), 'otelfan_requests_in_flight'),
      inHand => inHand === 1,
    );
    const running = load(3);
    await new Promise(resolve => setTimeout(resolve, 500));

    const exited = ingest.stop();
    const ready = await eventually(
      () =>
        fetch(`${ingest.addresses.health}/readyz`).then(async r => ({
          status: r.status,
          text: await r.text(),
        })),
      ({ status }) => status === 503,
    );
    expect(ready.text).toContain('stopping');
    slow.end(body.subarray(5));
    expect(await answered).toBe(200);
    expect(await exited).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);
    const { acknowledged } = await running.stop();
    for (const id of acknowledged) everyAcknowledged.add(id);
    await system.restartIngest();
    await expectDelivered(system, everyAcknowledged);
  });
});

describe('up with two workers on the embedded queue', () => {
  it('loses nothing that was acknowledged when a worker is killed, and then everything', async () => {
    const folder = await temporaryFolder();
    const flags = ['--shards', '2', '--workers', '2', '--log-level', 'info'];
    const first = await startUp(folder.path, flags);
    const running = startLoad({
      http: first.http,
      random: seededRandom(4),
      service: 'load',
      concurrency: 6,
      persistent: true,
    });
    await new Promise(resolve => setTimeout(resolve, 700));
    process.kill(workerPids(first.process)[1] as number, 'SIGKILL');
    await new Promise(resolve => setTimeout(resolve, 700));
    const pids = workerPids(first.process);
    await first.process.kill();
    const { acknowledged } = await running.stop();
    expect(acknowledged.size).toBeGreaterThan(50);
    await expect.poll(() => pids.filter(isAlive), { timeout: 15_000 }).toEqual([]);

    const second = await startUp(folder.path, flags);
    try {
      await untilStored(second.api, acknowledged);
      const queue = await openDataFolderQueue(folder.path);
      await expectNothingUnaccounted({ metrics: second.metrics, queue }).finally(() => queue.stop());
    } finally {
      await second.stop();
      await folder.remove();
    }
  });
});

describe('ingest whose port is taken', () => {
  it.each(['1', '2'])('says so in one line, once for all of its workers (%s), and ends', async workers => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const folder = await temporaryFolder();
    // A file, because it is followed from the start.
    const file = join(folder.path, 'otelfan.yaml');
    const shards = [{ id: 's0', otlp: 'http://127.0.0.1:9', read: 'http://127.0.0.1:9' }];
    writeFileSync(file, JSON.stringify({ topology: { shards } }));
    const flags = ['--config', file, '--data-dir', folder.path, '--workers', workers];
    const ports = [
      '--http-port',
      String(port),
      '--grpc-port',
      '0',
      '--health-port',
      '0',
      '--metrics-port',
      '0',
    ];
    const { exitCode, stderr } = await runCli(['ingest', ...flags, ...ports], {
      OTELFAN_LOG_LEVEL: 'error',
    });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(new RegExp(`^otelfan: address 127.0.0.1:${port} is in use; .*\n$`));
    taken.close();
    await folder.remove();
  });
});

describe('a change of the topology', () => {
  it('reaches every worker: the primary reads it and hands it on', async () => {
    const folder = await temporaryFolder();
    const file = join(folder.path, 'otelfan.yaml');
    const shard = (id: string, port: number) => ({
      id,
      otlp: `http://127.0.0.1:${port}`,
      read: `http://127.0.0.1:${port}`,
    });
    const write = (version: number, shards: readonly object[]) =>
      writeFileSync(file, JSON.stringify({ dataDir: folder.path, topology: { version, shards } }));
    write(1, [shard('s0', 9)]);
    const ports = ['--http-port', '0', '--grpc-port', '0', '--health-port', '0', '--metrics-port', '0'];
    const ingest = await startCli(['ingest', '--workers', '2', '--config', file, ...ports], {
      OTELFAN_LOG_LEVEL: 'info',
    });
    try {
      write(2, [shard('s0', 9), shard('s1', 10)]);
      process.kill(ingest.pid, 'SIGHUP');
      await expect
        .poll(
          () =>
            logOf(ingest)
              .filter(({ topologyVersion, msg }) => topologyVersion === 2 && msg === 'the topology changed')
              .map(({ name }) => name)
              .sort(),
          { timeout: 15_000 },
        )
        .toEqual(['ingest worker 1', 'ingest worker 2']);
      const series = await scrape(ingest.addresses.metrics ?? '');
      expect(sumOf(series, 'otelfan_topology_version')).toBe(2);
      expect(sumOf(series, 'otelfan_topology_slots_ratio', { shard: 's1' })).toBeGreaterThan(0.4);
    } finally {
      await ingest.stop();
      await folder.remove();
    }
  });
});
