import { EXIT, UserError } from './exit-codes.ts';
import type { Io } from './io.ts';
import { version } from './version.ts';

const HELP = `otelfan turns many single-node telemetry stores into one.

Usage: otelfan COMMAND [flags]

Run:
  up            everything on this machine: shards, queue, ingest and query
  ingest        an ingest router: OTLP in, durable queue, delivery to the shards
  query         a query proxy: one read API over all shards
  shard         one embedded shard; also checks and compacts the data of a stopped one

Use:
  get           read traces, services, logs and metrics
  send          post an OTLP file
  demo          send realistic telemetry for a while
  topology      show where data goes and what a change would move; move what is left behind
  dead-letter   list, show, replay and purge what no shard would take
  check-config  show the effective configuration, where it comes from, and warnings

otelfan COMMAND --help shows the flags of a command with an example; otelfan --version the version.

Exit codes: 0 done, 1 failed, 2 usage; get adds 3 for an answer without all shards and 4 for not found, send adds 3
for records that were rejected, topology and dead-letter add their own, which their --help tells.
`;

type Command = (argv: string[], io: Io) => number | Promise<number>;

/** Loaded on demand: `get` should not wait for a database to load. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  up: async () => (await import('./up.ts')).upCommand,
  ingest: async () => (await import('./ingest.ts')).ingestCommand,
  query: async () => (await import('./query.ts')).queryCommand,
  shard: async () => (await import('./shard.ts')).shardCommand,
  get: async () => {
    const { getCommand } = await import('./get.ts');
    return (argv, { isTty }) => getCommand(argv, { stdout: process.stdout, stderr: process.stderr, isTty });
  },
  send: async () => (await import('./send.ts')).sendCommand,
  demo: async () => (await import('./demo.ts')).demoCommand,
  // Run by the workers of ingest and up, not by people.
  'ingest-worker': async () => (await import('./ingest-worker.ts')).ingestWorkerCommand,
  topology: async () => (await import('./topology.ts')).topologyCommand,
  'dead-letter': async () => {
    const { deadLetterCommand } = await import('./dead-letter.ts');
    return (argv, io) => deadLetterCommand(argv, { ...io, stdout: process.stdout });
  },
  'check-config': async () => (await import('./check-config.ts')).checkConfigCommand,
};

async function main([name, ...argv]: string[], io: Io): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    (name === undefined ? io.stderr : io.stdout).write(HELP);
    return name === undefined ? EXIT.usage : EXIT.ok;
  }
  if (name === '--version' || name === '-V') {
    io.stdout.write(`${version()}\n`);
    return EXIT.ok;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined)
    throw new UserError(`there is no command "${name}" (see: otelfan --help)`, EXIT.usage);
  return (await load())(argv, io);
}

try {
  const { stdout, stderr, env } = process;
  process.exitCode = await main(process.argv.slice(2), { stdout, stderr, isTty: stdout.isTTY === true, env });
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  for (const line of error.message.split('\n')) process.stderr.write(`otelfan: ${line}\n`);
  process.exitCode = error.exitCode;
}
