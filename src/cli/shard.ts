import { formsOf } from '../shared/config/leaves.ts';
import { shardId } from '../shared/config/schema.ts';
import { letHeapGrow } from './compose/heap-growth.ts';
import { readyLine, urlOf } from './compose/ready-line.ts';
import { sizeThreadPool } from './compose/thread-pool.ts';
import { EXIT, UserError } from './exit-codes.ts';
import { configFrom, helpText, parseFlags, SERVE_FLAGS } from './flags.ts';
import type { Io } from './io.ts';
import { createLogger, serve } from './serve.ts';

const FLAGS = {
  id: { type: 'string', placeholder: 'ID', about: 'id of this shard in the topology' },
  ...SERVE_FLAGS,
  'otlp-port': {
    type: 'string',
    placeholder: 'N',
    about: 'OTLP door for ingest (default 4318)',
    sets: 'shard.otlp.port',
  },
  'read-port': {
    type: 'string',
    placeholder: 'N',
    about: 'read API for query (default 7800)',
    sets: 'shard.read.port',
  },
} as const;

const HELP = {
  summary: `Run one embedded shard: a DuckDB store that ingest delivers to and query reads from.
It ends with exit code ${EXIT.stuck} when an SQL query cannot be ended otherwise: have it started again.`,
  usage: `otelfan shard --id ID [flags]
       otelfan shard verify [--id ID]     check the data of a stopped shard
       otelfan shard compact [--id ID]    give the free room in its file back to the disk`,
  flags: FLAGS,
  example: 'otelfan shard --id s0 --data-dir /var/lib/otelfan --otlp-port 4318 --read-port 7800',
};

export async function shardCommand(argv: readonly string[], io: Io): Promise<number> {
  const [task, ...rest] = argv;
  // Loaded on demand: the running shard needs none of it.
  if (task === 'verify') return (await import('./shard/verify.ts')).verifyCommand(rest, io);
  if (task === 'compact') return (await import('./shard/compact.ts')).compactCommand(rest, io);
  const parsed = parseFlags('shard', argv, FLAGS);
  if (parsed.isSet('help')) {
    io.stdout.write(helpText(HELP));
    return 0;
  }
  const id = parsed.text('id');
  if (id === undefined || !shardId.safeParse(id).success) {
    throw new UserError(
      `--id${id === undefined ? ' is missing' : ` ${id}`}: expected the shard's id, ${formsOf(shardId)}`,
      EXIT.usage,
    );
  }
  const { config } = configFrom(parsed, FLAGS, io.env);
  const known = config.topology?.shards.map(shard => shard.id);
  if (known?.includes(id) === false) {
    throw new UserError(`--id ${id}: the topology has no such shard; it has ${known.join(', ')}`, EXIT.usage);
  }
  letHeapGrow();
  sizeThreadPool(config.shard, process.env);
  // Loading DuckDB starts the thread pool.
  const { startShard } = await import('./compose/components.ts');
  const logger = createLogger(config.logLevel, `shard ${id}`);
  const shard = await startShard(config, id, logger);
  const addresses = {
    otlp: urlOf('http', config.shard.otlp.host, shard.otlpPort),
    read: urlOf('http', config.shard.read.host, shard.readPort),
  };
  if (parsed.isSet('json')) io.stdout.write(readyLine(addresses));
  logger.info(addresses, 'shard is ready');
  return serve(shard, logger);
}
