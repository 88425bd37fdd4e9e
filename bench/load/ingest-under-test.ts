import { startCli } from '../../test/support/cli.ts';
import { startRedis } from '../../test/support/redis.ts';
import { temporaryFolder } from '../../test/support/systems.ts';
import { type Sinks, startSinks } from './sinks.ts';

export type Backend = 'lmdb' | 'redis';

/** An `otelfan ingest` as it is deployed, over one kind of queue, with shards that take everything. */
export interface IngestUnderTest {
  /** Root of the ingest processes, for their CPU and memory. */
  readonly pid: number;
  readonly http: string;
  /** `host:port` */
  readonly grpc: string;
  readonly metrics: string;
  readonly sinks: Sinks;
  stop(): Promise<void>;
}

interface Options {
  readonly backend: Backend;
  readonly shards: number;
  readonly env?: NodeJS.ProcessEnv;
}

export async function startIngestUnderTest({ backend, shards, env = {} }: Options): Promise<IngestUnderTest> {
  const folder = await temporaryFolder();
  const redis = backend === 'redis' ? await startRedis({ args: ['--appendfsync', 'everysec'] }) : undefined;
  const sinks = await startSinks(shards);
  const topology = {
    version: 1,
    shards: sinks.ports.map((port, index) => ({
      id: `s${index}`,
      otlp: `http://127.0.0.1:${port}`,
      read: `http://127.0.0.1:${port}/read`,
    })),
  };
  const ports = ['--http-port', '0', '--grpc-port', '0', '--health-port', '0', '--metrics-port', '0'];
  const ingest = await startCli(['ingest', '--workers', '1', '--data-dir', folder.path, ...ports], {
    OTELFAN_TOPOLOGY: JSON.stringify(topology),
    OTELFAN_LOG_LEVEL: 'error',
    ...(redis !== undefined && { OTELFAN_QUEUE_REDIS_URL: redis.url }),
    ...env,
  });
  const { http = '', grpc = '', metrics = '' } = ingest.addresses;
  return {
    pid: ingest.pid,
    http,
    grpc: grpc.replace('grpc://', ''),
    metrics,
    sinks,
    async stop() {
      await ingest.stop();
      await sinks.stop();
      await redis?.stop();
      await folder.remove();
    },
  };
}
