import { type RunningCli, startCli } from '../../test/support/cli.ts';
import { startRedis } from '../../test/support/redis.ts';
import { temporaryFolder } from '../../test/support/systems.ts';

/** otelfan as it is deployed, on one machine: two of each kind of process over one Redis. */
export interface SoakSite {
  /** Base URLs of the OTLP doors, one for each ingest replica. */
  readonly doors: readonly string[];
  /** Base URLs of the read API, one for each query proxy. */
  readonly apis: readonly string[];
  /** Base URLs below which every process has its `/metrics`, by the name of the process. */
  readonly metrics: ReadonlyMap<string, string>;
  readonly redisUrl: string;
  stop(): Promise<void>;
}

const WHICH = ['a', 'b'];
const INGEST_PORTS = ['--http-port', '0', '--grpc-port', '0', '--health-port', '0', '--metrics-port', '0'];

export async function startSoakSite(): Promise<SoakSite> {
  const folder = await temporaryFolder();
  const redis = await startRedis({ args: ['--appendfsync', 'everysec'] });
  const running: RunningCli[] = [];
  const metrics = new Map<string, string>();
  const start = async (name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const cli = await startCli(args, { OTELFAN_LOG_LEVEL: 'error', ...env });
    running.push(cli);
    const { metrics: own, api, read } = cli.addresses;
    metrics.set(name, own ?? api ?? new URL(read ?? '').origin);
    return cli.addresses;
  };
  async function stop(): Promise<void> {
    for (const cli of running.toReversed()) await cli.stop();
    await redis.stop();
    await folder.remove();
  }
  try {
    const shards = [];
    for (const id of WHICH) {
      const args = ['shard', '--id', id, '--data-dir', folder.path, '--otlp-port', '0', '--read-port', '0'];
      const { otlp, read } = await start(`shard ${id}`, args);
      shards.push({ id, otlp, read });
    }
    const env = {
      OTELFAN_TOPOLOGY: JSON.stringify({ version: 1, shards }),
      OTELFAN_QUEUE_REDIS_URL: redis.url,
    };
    const doors: string[] = [];
    const apis: string[] = [];
    for (const which of WHICH) {
      const ingest = await start(`ingest ${which}`, ['ingest', '--workers', '1', ...INGEST_PORTS], env);
      doors.push(ingest.http ?? '');
      const query = await start(`query ${which}`, ['query', '--api-port', '0'], env);
      apis.push(query.api ?? '');
    }
    return { doors, apis, metrics, redisUrl: redis.url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
