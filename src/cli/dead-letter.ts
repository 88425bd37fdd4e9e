import { withExistingQueue } from './compose/existing-queue.ts';
import { changeDeadLetters } from './dead-letter/change.ts';
import { filterFrom } from './dead-letter/filter.ts';
import { listDeadLetters } from './dead-letter/list.ts';
import { showDeadLetter } from './dead-letter/show.ts';
import type { DeadLetterIo, DeadLetterTask } from './dead-letter/task.ts';
import { EXIT, UserError } from './exit-codes.ts';
import { configFrom, type Flags, helpText, parseFlags } from './flags.ts';
import { createLogger } from './serve.ts';

const FLAGS = {
  config: { type: 'string', placeholder: 'FILE', about: 'YAML configuration (or OTELFAN_CONFIG)' },
  'data-dir': {
    type: 'string',
    placeholder: 'DIR',
    about: 'data folder of the embedded queue (default ./data)',
    sets: 'dataDir',
  },
  shard: { type: 'string', placeholder: 'ID', about: 'only of this shard; may be repeated', multiple: true },
  signal: { type: 'string', placeholder: 'SIGNAL', about: 'only traces, logs or metrics' },
  reason: { type: 'string', placeholder: 'TEXT', about: 'only with this text, of any case, in the reason' },
  'older-than': {
    type: 'string',
    placeholder: 'DURATION',
    about: 'only what became a dead letter at least so long ago (30m, 24h)',
  },
  id: { type: 'string', placeholder: 'ID', about: 'only this batch; may be repeated', multiple: true },
  all: { type: 'boolean', about: 'replay, purge: everything, where no filter is given' },
  yes: { type: 'boolean', about: 'purge: really delete' },
  limit: { type: 'string', placeholder: 'N', about: 'list: at most so many (default for a table: 1000)' },
  raw: { type: 'boolean', about: 'show: the stored OTLP protobuf and nothing else' },
  json: {
    type: 'boolean',
    about: 'JSON on a terminal too; a pipe always gets JSON (list: one object per line)',
  },
  help: { type: 'boolean', about: 'show this text' },
} as const satisfies Flags;

const HELP = {
  summary:
    'Look after dead letters: batches that their shard refused for good, or that grew too old. Ingest may run.',
  usage: `otelfan dead-letter list [filters]      what there is, oldest first
       otelfan dead-letter show ID             one batch with its reason and its content as OTLP/JSON
       otelfan dead-letter replay [filters]    put back into the queue under the same id: a shard that has it drops it
       otelfan dead-letter purge [filters] --yes    delete for good`,
  flags: FLAGS,
  exitCodes: '0 done, 1 failed, 2 usage, 4 nothing matched (show, replay, purge)',
  example: 'otelfan dead-letter replay --shard s1 --reason "disk full" --data-dir /var/lib/otelfan',
};

/** `otelfan dead-letter`: resolves with one of the exit codes of its help. */
export async function deadLetterCommand(argv: readonly string[], io: DeadLetterIo): Promise<number> {
  const parsed = parseFlags('dead-letter', argv, FLAGS, 2);
  if (parsed.isSet('help')) {
    io.stdout.write(helpText(HELP));
    return EXIT.ok;
  }
  const [name, word] = parsed.words;
  const run = taskNamed(name);
  if (word !== undefined && name !== 'show') {
    throw new UserError(`dead-letter ${name}: unexpected ${word}; filters are flags`, EXIT.usage);
  }
  const filter = filterFrom(parsed, Date.now());
  const { config } = configFrom(parsed, FLAGS, io.env);
  return await run({ parsed, filter, config, word, io }, use =>
    withExistingQueue({ config, shards: [], logger: createLogger('error', 'dead-letter') }, use),
  );
}

const TASKS: Readonly<Record<string, DeadLetterTask>> = {
  list: listDeadLetters,
  show: showDeadLetter,
  replay: changeDeadLetters('replay'),
  purge: changeDeadLetters('purge'),
};

function taskNamed(name = ''): DeadLetterTask {
  const task = Object.hasOwn(TASKS, name) ? TASKS[name] : undefined;
  if (task !== undefined) return task;
  const given = name === '' ? '' : `, not ${name}`;
  throw new UserError(
    `dead-letter needs one of ${Object.keys(TASKS).join(', ')}${given} (see: otelfan dead-letter --help)`,
    EXIT.usage,
  );
}
