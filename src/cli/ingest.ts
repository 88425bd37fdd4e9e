import { startOn, stopAll } from '../shared/lifecycle.ts';
import { createHash } from '../shared/topology/hash.ts';
import { startIngest, workerCount } from './compose/ingest.ts';
import { readyLine, urlOf } from './compose/ready-line.ts';
import { openTopology } from './compose/topology.ts';
import { keepYoungGenerationSmall } from './compose/young-generation.ts';
import { configFrom, helpText, parseFlags, SERVE_FLAGS } from './flags.ts';
import type { Io } from './io.ts';
import { createLogger, serve } from './serve.ts';

const FLAGS = {
  ...SERVE_FLAGS,
  'http-port': {
    type: 'string',
    placeholder: 'N',
    about: 'OTLP/HTTP (default 4318)',
    sets: 'ingest.http.port',
  },
  'grpc-port': {
    type: 'string',
    placeholder: 'N',
    about: 'OTLP/gRPC (default 4317)',
    sets: 'ingest.grpc.port',
  },
  'health-port': {
    type: 'string',
    placeholder: 'N',
    about: '/healthz and /readyz (default 13133)',
    sets: 'ingest.health.port',
  },
  'metrics-port': {
    type: 'string',
    placeholder: 'N',
    about: '/metrics (default 8888)',
    sets: 'ingest.metrics.port',
  },
  workers: {
    type: 'string',
    placeholder: 'N',
    about: 'processes that take requests (default 0: one per core minus one, at least one)',
    sets: 'ingest.workers',
  },
} as const;

const HELP = {
  summary: 'Run an ingest router: OTLP in, durable queue, delivery to the shards of the topology.',
  usage: 'otelfan ingest --config FILE [flags]',
  flags: FLAGS,
  example: 'OTELFAN_QUEUE_REDIS_URL=redis://127.0.0.1:6379 otelfan ingest --config otelfan.yaml',
};

export async function ingestCommand(argv: readonly string[], io: Io): Promise<number> {
  const parsed = parseFlags('ingest', argv, FLAGS);
  if (parsed.isSet('help')) {
    io.stdout.write(helpText(HELP));
    return 0;
  }
  keepYoungGenerationSmall();
  const settings = configFrom(parsed, FLAGS, io.env);
  const { config, warnings } = settings;
  const logger = createLogger(config.logLevel, 'ingest');
  for (const warning of warnings) logger.warn(warning);
  const hash = await createHash();
  const topology = openTopology({ settings, hash, command: 'ingest', logger });
  const { http, grpc, health, metrics } = config.ingest;
  const workers = workerCount(config);
  const ingest = await startOn(topology, () =>
    startIngest({ config, topology, hash, logger, workers, health, metrics }),
  );
  const addresses = {
    http: urlOf('http', http.host, ingest.httpPort),
    grpc: urlOf('grpc', grpc.host, ingest.grpcPort),
    health: urlOf('http', health.host, ingest.healthPort ?? 0),
    metrics: urlOf('http', metrics.host, ingest.metricsPort),
  };
  if (parsed.isSet('json')) io.stdout.write(readyLine(addresses));
  logger.info({ ...addresses, workers, topologyVersion: topology.current().version }, 'ingest is ready');
  return serve({ stop: () => stopAll([ingest, topology]) }, logger);
}
