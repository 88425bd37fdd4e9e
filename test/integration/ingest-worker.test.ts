import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FromWorker, type ToWorker, WORKER_COMMAND } from '../../src/cli/compose/worker-messages.ts';
import { mergeSnapshots } from '../../src/ingest/telemetry/telemetry.ts';
import { loadConfig } from '../../src/shared/config/load.ts';
import { parseMetrics, sumOf } from '../support/metrics.ts';
import { tracesOf } from '../support/otlp-samples.ts';
import { openDataFolderQueue } from '../support/queue-samples.ts';
import { shardSpec } from '../support/stub-shard.ts';
import { temporaryFolder } from '../support/systems.ts';

const BIN = join(import.meta.dirname, '..', '..', 'bin', 'otelfan.mjs');

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let worker: ChildProcess;
let messages: FromWorker[];
beforeEach(async () => {
  folder = await temporaryFolder();
  messages = [];
  worker = fork(BIN, [WORKER_COMMAND], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  worker.on('message', message => messages.push(message as FromWorker));
});
afterEach(async () => {
  if (worker.exitCode === null && worker.signalCode === null) {
    worker.kill('SIGKILL');
    await once(worker, 'exit');
  }
  await folder.remove();
});

const tell = (message: ToWorker) => worker.send(message);

type Told<T extends FromWorker['type']> = Extract<FromWorker, { type: T }>;

async function told<T extends FromWorker['type']>(type: T): Promise<Told<T>> {
  const found = () => messages.find((message): message is Told<T> => message.type === type);
  await expect.poll(found, { timeout: 15_000 }).toBeDefined();
  return found() as Told<T>;
}

async function start(httpPort: string): Promise<void> {
  await told('online');
  const loaded = loadConfig({
    env: {
      OTELFAN_DATA_DIR: folder.path,
      OTELFAN_LOG_LEVEL: 'error',
      OTELFAN_INGEST_HTTP_PORT: httpPort,
      OTELFAN_INGEST_GRPC_PORT: '0',
    },
  });
  if (!loaded.ok) throw new Error(loaded.errors.join('; '));
  tell({
    type: 'start',
    number: 3,
    config: loaded.config,
    topology: { version: 1, shards: [shardSpec('s0', 9)] },
  });
}

function post(port: number, ...spans: string[]): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(
      tracesOf(
        'shop',
        spans.map(name => ({ trace: name, span: name })),
      ),
    ),
  });
}

describe('an ingest worker', () => {
  it('stores what it acknowledges, tells its primary for whom, and leaves it for the primary to deliver', async () => {
    await start('0');
    const { httpPort } = await told('listening');
    expect((await post(httpPort, 'a', 'b')).status).toBe(200);
    expect((await told('enqueued')).shards).toEqual(['s0']);

    tell({ type: 'snapshot', id: 7 });
    const { id, snapshot } = await told('snapshot');
    expect(id).toBe(7);
    const series = parseMetrics(await mergeSnapshots([snapshot]).metrics());
    expect(sumOf(series, 'otelcol_receiver_accepted_spans_total')).toBe(2);
    expect(sumOf(series, 'otelfan_requests_total', { process: 'worker-3' })).toBe(1);

    tell({ type: 'stop' });
    expect(await once(worker, 'exit')).toEqual([0, null]);
    const queue = await openDataFolderQueue(folder.path);
    expect(await queue.stats('s0')).toMatchObject({ accepted: { traces: 2 }, delivered: { traces: 0 } });
    await queue.stop();
  });

  it('follows the topology that its primary decides on', async () => {
    await start('0');
    const { httpPort } = await told('listening');
    tell({ type: 'topology', topology: { version: 2, shards: [shardSpec('s1', 9)] } });
    await expect
      .poll(async () => {
        await post(httpPort, 'a');
        return messages.flatMap(message => (message.type === 'enqueued' ? message.shards : []));
      })
      .toContain('s1');
  });

  it('says why it cannot start when that is for a person to mend, and ends', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    await start(String(port));
    expect((await told('failed')).reason).toMatch(new RegExp(`^address 127.0.0.1:${port} is in use`));
    if (worker.exitCode === null) await once(worker, 'exit');
    expect(worker.exitCode).toBe(1);
    taken.close();
  });

  it('tells its primary when and why it refuses every request', async () => {
    await told('online');
    const loaded = loadConfig({
      env: {
        OTELFAN_DATA_DIR: folder.path,
        OTELFAN_LOG_LEVEL: 'error',
        OTELFAN_INGEST_HTTP_PORT: '0',
        OTELFAN_INGEST_GRPC_PORT: '0',
        OTELFAN_QUEUE_MAX_BYTES: '1B',
      },
    });
    if (!loaded.ok) throw new Error(loaded.errors.join('; '));
    const topology = { version: 1, shards: [shardSpec('s0', 9)] };
    tell({ type: 'start', number: 1, config: loaded.config, topology });
    const { httpPort } = await told('listening');
    expect((await post(httpPort, 'a')).status).toBe(200);
    expect((await told('admission')).reason).toContain('queue.maxBytes is 1');
  });
});
