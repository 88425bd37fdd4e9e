import { startOn, stopAll } from '../shared/lifecycle.ts';
import { createHash } from '../shared/topology/hash.ts';
import { startQuery } from './compose/components.ts';
import { readyLine, urlOf } from './compose/ready-line.ts';
import { openTopology } from './compose/topology.ts';
import { configFrom, helpText, parseFlags, SERVE_FLAGS } from './flags.ts';
import type { Io } from './io.ts';
import { createLogger, serve } from './serve.ts';

const FLAGS = {
  ...SERVE_FLAGS,
  'api-port': { type: 'string', placeholder: 'N', about: 'read API (default 7701)', sets: 'query.http.port' },
} as const;

const HELP = {
  summary: 'Run a query proxy: one read API over all shards of the topology.',
  usage: 'otelfan query --config FILE [flags]',
  flags: FLAGS,
  example: 'otelfan query --config otelfan.yaml --api-port 7701',
};

export async function queryCommand(argv: readonly string[], io: Io): Promise<number> {
  const parsed = parseFlags('query', argv, FLAGS);
  if (parsed.isSet('help')) {
    io.stdout.write(helpText(HELP));
    return 0;
  }
  const settings = configFrom(parsed, FLAGS, io.env);
  const { config, warnings } = settings;
  const logger = createLogger(config.logLevel, 'query');
  for (const warning of warnings) logger.warn(warning);
  const topology = openTopology({ settings, hash: await createHash(), command: 'query', logger });
  const query = await startOn(topology, () => startQuery(config, topology, logger));
  const addresses = { api: urlOf('http', config.query.http.host, query.port) };
  if (parsed.isSet('json')) io.stdout.write(readyLine(addresses));
  logger.info({ ...addresses, topologyVersion: topology.current().version }, 'query is ready');
  return serve({ stop: () => stopAll([query, topology]) }, logger);
}
