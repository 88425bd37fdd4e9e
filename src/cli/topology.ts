import { createHash } from '../shared/topology/hash.ts';
import { knownTopology } from './compose/known-topology.ts';
import { EXIT, UserError } from './exit-codes.ts';
import { configFrom, type Flags, helpText, parseFlags } from './flags.ts';
import type { Io } from './io.ts';
import { diffTopology } from './topology/diff.ts';
import type { TopologyTask } from './topology/task.ts';

const FLAGS = {
  config: { type: 'string', placeholder: 'FILE', about: 'YAML configuration (or OTELFAN_CONFIG)' },
  'data-dir': {
    type: 'string',
    placeholder: 'DIR',
    about: 'data folder of otelfan up, or of the embedded queue (default ./data)',
    sets: 'dataDir',
  },
  'ingest-metrics': {
    type: 'string',
    placeholder: 'URL',
    about: "an ingest process's /metrics, for the hottest keys (default: as ingest.metrics says)",
  },
  service: { type: 'string', placeholder: 'NAME', about: 'route: logs of this service without a trace' },
  metric: { type: 'string', placeholder: 'NAME', about: 'route: metrics of this name' },
  wait: {
    type: 'string',
    placeholder: 'DURATION',
    about: 'reroute: how long to wait for batches that somebody else holds (default 1m)',
  },
  json: { type: 'boolean', about: 'print JSON' },
  help: { type: 'boolean', about: 'show this text' },
} as const satisfies Flags;

const HELP = {
  summary: 'Show where data goes, what a change would move, and move what is left behind.',
  usage: `otelfan topology                   shards, their shares, queues and hottest keys
       otelfan topology diff FILE         what the topology in FILE would move, and whether it may replace this one
       otelfan topology route TRACE_ID    the owner of a trace; or --service NAME, or --metric NAME
       otelfan topology reroute SHARD     give the undelivered batches of a shard to the owners of today`,
  flags: FLAGS,
  exitCodes: `0 done, 1 failed, 2 usage, 3 not all of it: shown without the queue, a change that would
be refused, batches left`,
  example: 'otelfan topology diff next.yaml --config otelfan.yaml',
};

/** `otelfan topology`: resolves with one of the exit codes of its help. */
export async function topologyCommand(argv: readonly string[], io: Io): Promise<number> {
  const parsed = parseFlags('topology', argv, FLAGS, 2);
  if (parsed.isSet('help')) {
    io.stdout.write(helpText(HELP));
    return EXIT.ok;
  }
  const run = await taskNamed(parsed.words[0]);
  const { config } = configFrom(parsed, FLAGS, io.env);
  const hash = await createHash();
  const known = knownTopology(config, hash);
  return run({ parsed, config, hash, known, word: parsed.words[1], io });
}

/** Loaded on demand: most do not need a queue. */
async function taskNamed(name: string | undefined): Promise<TopologyTask> {
  switch (name) {
    case undefined:
      return (await import('./topology/show.ts')).showTopology;
    case 'diff':
      return diffTopology;
    case 'route':
      return (await import('./topology/route.ts')).routeKey;
    case 'reroute':
      return (await import('./topology/reroute.ts')).rerouteBatches;
    default:
      throw new UserError(
        `topology ${name}: expected diff, route, reroute or nothing (see: otelfan topology --help)`,
        EXIT.usage,
      );
  }
}
