import type { Logger } from 'pino';
import type { Config } from '../shared/config/schema.ts';
import { type Component, stopAll } from '../shared/lifecycle.ts';
import { createHash } from '../shared/topology/hash.ts';
import { createTopology } from '../shared/topology/topology.ts';
import { fixedTopology } from '../shared/topology/topology-source.ts';
import { holdFolder, shardFolder, startQuery } from './compose/components.ts';
import { ENTRY, startIngest } from './compose/ingest.ts';
import { type LocalTopology, localShards, resolveLocalTopology } from './compose/local-topology.ts';
import { readyLine, urlOf } from './compose/ready-line.ts';
import { type ShardProcess, startShardProcess } from './compose/shard-process.ts';
import { keepYoungGenerationSmall } from './compose/young-generation.ts';
import { EXIT, UserError } from './exit-codes.ts';
import { configFrom, helpText, parseFlags, SERVE_FLAGS } from './flags.ts';
import type { Io } from './io.ts';
import { createLogger, serve } from './serve.ts';
import { renderTable } from './table.ts';
import { tryItText } from './try-it.ts';

const FLAGS = {
  ...SERVE_FLAGS,
  shards: {
    type: 'string',
    placeholder: 'N',
    about: 'embedded shards (default: what the folder has, else 3)',
  },
  'http-port': {
    type: 'string',
    placeholder: 'N',
    about: 'OTLP/HTTP (default 4318; 0 takes any free port)',
    sets: 'ingest.http.port',
  },
  'grpc-port': {
    type: 'string',
    placeholder: 'N',
    about: 'OTLP/gRPC (default 4317)',
    sets: 'ingest.grpc.port',
  },
  'api-port': { type: 'string', placeholder: 'N', about: 'read API (default 7701)', sets: 'query.http.port' },
  'metrics-port': {
    type: 'string',
    placeholder: 'N',
    about: '/metrics (default 8888, or any free port when that is taken)',
    sets: 'ingest.metrics.port',
  },
  workers: {
    type: 'string',
    placeholder: 'N',
    about: 'processes that take requests (default 1: the one that does the rest)',
    sets: 'ingest.workers',
  },
} as const;

const HELP = {
  summary: 'Run everything on this machine: embedded shards, embedded queue, ingest and query.',
  usage: 'otelfan up [flags]',
  flags: FLAGS,
  example: 'otelfan up --data-dir /var/lib/otelfan --shards 4',
};

const MAX_SHARDS = 64;

export async function upCommand(argv: readonly string[], io: Io): Promise<number> {
  const parsed = parseFlags('up', argv, FLAGS);
  if (parsed.isSet('help')) {
    io.stdout.write(helpText(HELP));
    return EXIT.ok;
  }
  keepYoungGenerationSmall();
  const { config, warnings } = configFrom(parsed, FLAGS, io.env);
  if (config.topology !== undefined) {
    throw new UserError(
      'up makes its own topology; run ingest, query and shard with the configured one',
      EXIT.usage,
    );
  }
  // A person who watches wants what is wrong, not what is normal.
  const logLevel = io.isTty && config.logLevel === 'info' ? 'warn' : config.logLevel;
  const logger = createLogger(logLevel, 'up');
  for (const warning of warnings) logger.warn(warning);
  const wantedShards = shardCount(parsed.text('shards'));
  const release = holdFolder(config.dataDir);
  const local = resolveLocalTopology(config.dataDir, wantedShards);
  const running = await startAll({
    config,
    configFile: parsed.text('config'),
    local,
    logger,
    logLevel,
    env: io.env,
  });

  if (parsed.isSet('json')) io.stdout.write(readyLine(running.addresses));
  else io.stdout.write(welcome(running.listeners, running.addresses));
  logger.info(running.addresses, 'everything is ready');
  return serve({ stop: () => running.stop().finally(release) }, logger);
}

function shardCount(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > MAX_SHARDS) {
    throw new UserError(`--shards ${text}: expected a whole number from 1 to ${MAX_SHARDS}`, EXIT.usage);
  }
  return count;
}

interface UpOptions {
  readonly config: Config;
  readonly configFile: string | undefined;
  readonly local: LocalTopology;
  readonly logger: Logger;
  readonly logLevel: Config['logLevel'];
  readonly env: NodeJS.ProcessEnv;
}

interface Listening {
  readonly what: string;
  readonly address: string;
  readonly data: string;
}

interface Running extends Component {
  readonly listeners: readonly Listening[];
  readonly addresses: Readonly<Record<'http' | 'grpc' | 'api' | 'metrics', string>>;
}

async function startAll(options: UpOptions): Promise<Running> {
  const { config, local, logger, logLevel } = options;
  const shardProcesses: Component[] = [];
  const started: Component[] = [
    { stop: async () => void (await Promise.all(shardProcesses.map(shard => shard.stop()))) },
  ];
  try {
    const shards = await startShards(options, shardProcesses);
    const hash = await createHash();
    const specs = localShards(local, index => shards[index] as ShardProcess);
    const topology = fixedTopology(createTopology({ version: local.version, shards: specs }, hash));
    const query = await startQuery(config, topology, logger);
    started.unshift(query);
    const ingest = await startIngest({
      // Workers are told the level that a person who watches wants, too.
      config: { ...config, logLevel },
      topology,
      hash,
      logger,
      workers: Math.max(1, config.ingest.workers),
      metrics: { ...config.ingest.metrics, orAnyPort: true },
    });
    started.unshift(ingest);

    const addresses = {
      http: urlOf('http', config.ingest.http.host, ingest.httpPort),
      grpc: urlOf('grpc', config.ingest.grpc.host, ingest.grpcPort),
      api: urlOf('http', config.query.http.host, query.port),
      metrics: urlOf('http', config.ingest.metrics.host, ingest.metricsPort),
    };
    const queueAt = config.queue.redis.url === undefined ? `${config.dataDir}/queue` : 'Redis';
    const listeners = [
      { what: 'OTLP/HTTP', address: addresses.http, data: queueAt },
      { what: 'OTLP/gRPC', address: addresses.grpc, data: queueAt },
      { what: 'read API', address: addresses.api, data: '' },
      { what: 'metrics', address: `${addresses.metrics}/metrics`, data: '' },
      ...shards.map(({ id, read }) => ({
        what: `shard ${id}`,
        address: read,
        data: shardFolder(config.dataDir, id),
      })),
    ];
    return { listeners, addresses, stop: () => stopAll(started) };
  } catch (error) {
    await stopAll(started);
    throw error;
  }
}

/** Adds each shard to `started` as soon as it runs, so that a failure of another one leaves no process behind. */
async function startShards(options: UpOptions, started: Component[]): Promise<ShardProcess[]> {
  const ids = Array.from({ length: options.local.totalCount }, (_, index) => `s${index}`);
  const outcomes = await Promise.allSettled(
    ids.map(async id => {
      const shard = await startShardProcess({
        id,
        dataDir: options.config.dataDir,
        configFile: options.configFile,
        entry: [ENTRY],
        logLevel: options.logLevel,
        env: options.env,
        logger: options.logger,
      });
      started.push(shard);
      return shard;
    }),
  );
  return outcomes.map(outcome => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

function welcome(listeners: readonly Listening[], addresses: Running['addresses']): string {
  const table = renderTable<Listening>({
    columns: [
      { title: 'WHAT', cell: row => row.what },
      { title: 'ADDRESS', cell: row => row.address },
      { title: 'DATA', cell: row => row.data },
    ],
    rows: listeners,
  });
  return `\n${table}\n${tryItText(addresses)}\nCtrl-C stops it; the data stays.\n`;
}
