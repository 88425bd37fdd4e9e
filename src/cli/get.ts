import type { Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { EXIT } from './exit-codes.ts';
import { fetchFailure } from './fetch-failure.ts';
import { type ReadAnswer, tableOf } from './read-tables.ts';
import { printable } from './table.ts';
import { write } from './write.ts';

export interface GetIo {
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Whether stdout is a terminal: tables and colours for people, JSON for programs. */
  readonly isTty: boolean;
  readonly fetch?: typeof fetch;
}

const GET_EXIT = { ...EXIT, partial: 3, notFound: 4 } as const;

const DEFAULT_SERVER = 'http://127.0.0.1:7701';

const HELP = `Read telemetry through the query proxy.

Usage: otelfan get PATH [flags]
       otelfan get promql QUERY [flags]
       otelfan get sql SELECT [flags]

PATH is services, traces, traces/<trace id>, logs, metrics, summary, anomalies, correlate, comments or
traces/<trace id>/comments.

Flags:
  --server URL             query proxy (default ${DEFAULT_SERVER})
  --json                   JSON on a terminal too; a pipe always gets JSON
  --strict                 fail when a shard is missing instead of answering without it
  --timeout DURATION       wait less than the server would (500ms, 5s)
  --limit N                traces, logs, metrics, comments: at most so many rows
  --last DURATION          traces, logs, metrics, summary, anomalies, promql: 15m, 24h, 7d
  --service NAME           traces, logs, metrics, summary, anomalies
  --cursor CURSOR          traces, logs, metrics, comments: go on behind a page, with its next_cursor
  --baseline DURATION      anomalies: the longer window to compare with (default six times --last)
  --trace ID               correlate
  --operation TEXT         traces: part of the span name
  --status STATUS          traces: ok, error, unset
  --min-duration-ms MS     traces
  --max-duration-ms MS     traces
  --attribute KEY=VALUE    traces: may be repeated, all must hold
  --text WORDS             traces: in prompts and completions; logs: in bodies; "…" is a phrase
  --severity SEVERITY      logs: trace, debug, info, warn, error, fatal, unspecified
  --body-contains TEXT     logs
  --trace-id ID            logs
  --name NAME              metrics
  --shard ID               sql: the shard to ask; needed where there are several
  --metric-type TYPE       metrics: gauge, sum, histogram, summary, unknown

Figures that are not exact are named on stderr, with the reason; that changes no exit code.
Exit codes: 0 complete, 1 error, 2 usage, 3 answered but shards are missing, 4 not found.

Example: the newest failed spans of one service
  otelfan get traces --service checkout --status error --last 1h --limit 20

Example: how many requests each service takes per second
  otelfan get promql 'sum by (service) (rate({"http.requests"}[5m]))'
`;

/** `--min-duration-ms` is `min_duration_ms` to the server. All may be repeated: the server says which must not. */
const READ_FLAG = { type: 'string', multiple: true } as const;
const READ_FLAGS = {
  timeout: READ_FLAG,
  limit: READ_FLAG,
  last: READ_FLAG,
  service: READ_FLAG,
  cursor: READ_FLAG,
  baseline: READ_FLAG,
  trace: READ_FLAG,
  operation: READ_FLAG,
  status: READ_FLAG,
  'min-duration-ms': READ_FLAG,
  'max-duration-ms': READ_FLAG,
  attribute: READ_FLAG,
  text: READ_FLAG,
  severity: READ_FLAG,
  'body-contains': READ_FLAG,
  'trace-id': READ_FLAG,
  name: READ_FLAG,
  shard: READ_FLAG,
  'metric-type': READ_FLAG,
} as const;

const WINDOW = ['limit', 'last', 'service', 'cursor'];
/**
 * The filters of each read. The server ignores those that a read does not have, as its API demands; whoever types
 * one would take the unfiltered rows for filtered.
 */
const FILTERS = new Map<string, readonly string[]>([
  ['services', []],
  ['traces', [...WINDOW, 'operation', 'status', 'min-duration-ms', 'max-duration-ms', 'attribute', 'text']],
  ['traces/<trace id>', []],
  ['logs', [...WINDOW, 'severity', 'body-contains', 'text', 'trace-id']],
  ['metrics', [...WINDOW, 'name', 'metric-type']],
  ['summary', ['last', 'service']],
  ['anomalies', ['last', 'baseline', 'service']],
  ['correlate', ['trace']],
  ['comments', ['limit', 'cursor']],
  ['traces/<trace id>/comments', []],
  ['promql', ['last']],
  ['sql', ['shard']],
]);

/** Reads that a question goes with, as a parameter. */
const QUESTIONS = new Map([
  ['promql', { path: 'metrics/query', param: 'query' }],
  ['sql', { path: 'sql', param: 'q' }],
]);

/** `otelfan get`: asks the query proxy and shows its answer. Resolves with one of the exit codes. */
export async function getCommand(argv: string[], io: GetIo): Promise<number> {
  const command = parseCommand(argv);
  switch (command.kind) {
    case 'help':
      await write(io.stdout, HELP);
      return EXIT.ok;
    case 'bad':
      await write(io.stderr, `otelfan get: ${command.error}\nSee otelfan get --help\n`);
      return EXIT.usage;
    case 'get':
      return show(await ask(command.url, io.fetch ?? fetch), { io, asJson: command.json || !io.isTty });
  }
}

type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'bad'; readonly error: string }
  | { readonly kind: 'get'; readonly url: URL; readonly json: boolean };

function parseCommand(argv: string[]): Command {
  let parsed: ReturnType<typeof parseFlags>;
  try {
    parsed = parseFlags(argv);
  } catch (error) {
    return { kind: 'bad', error: (error as Error).message };
  }
  const { help, server, json, strict, ...params } = parsed.values;
  if (help) return { kind: 'help' };
  const [path, ...rest] = parsed.positionals;
  const question = QUESTIONS.get(path ?? '');
  if (question !== undefined && rest.length !== 1)
    return { kind: 'bad', error: `${path} needs one query, in quotes` };
  if (path === undefined || (question === undefined && rest.length > 0))
    return { kind: 'bad', error: 'one PATH is needed, such as traces' };
  const base = URL.parse(server);
  if (base === null || !/^https?:$/.test(base.protocol))
    return { kind: 'bad', error: `--server ${server}: expected a URL with http:// or https://` };
  const segments = (question?.path ?? path).replace(/^\/?(api\/v1\/)?/, '').split('/');
  // A URL resolves dots, so `traces/..` would ask for something else.
  if (segments.some(segment => /^\.{0,2}$/.test(segment)))
    return { kind: 'bad', error: `${path}: expected a path such as traces/<trace id>, logs or summary` };
  const url = urlOf(base, segments);
  const read =
    question === undefined ? segments.join('/').replace(/^traces\/[^/]+/, 'traces/<trace id>') : path;
  if (question !== undefined) url.searchParams.append(question.param, rest.join());
  for (const [flag, values = []] of Object.entries(params)) {
    if (flag !== 'timeout' && FILTERS.get(read)?.includes(flag) === false)
      return { kind: 'bad', error: `${read} cannot be filtered by --${flag}` };
    for (const value of values) url.searchParams.append(flag.replaceAll('-', '_'), value);
  }
  if (strict) url.searchParams.append('partial', 'false');
  return { kind: 'get', url, json };
}

function parseFlags(args: string[]) {
  return parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...READ_FLAGS,
      server: { type: 'string', default: DEFAULT_SERVER },
      json: { type: 'boolean', default: false },
      strict: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
}

function urlOf(base: URL, segments: readonly string[]): URL {
  const prefix = base.pathname.replace(/\/+$/, '');
  return new URL(`${base.origin}${prefix}/api/v1/${segments.map(encodeURIComponent).join('/')}`);
}

type Reply =
  | { readonly kind: 'failed'; readonly error: string }
  | { readonly kind: 'answered'; readonly status: number; readonly text: string };

/** Far above the server's own deadline; ends a wait for a server that accepts connections and says nothing. */
const REPLY_TIMEOUT_MS = 120_000;

async function ask(url: URL, send: typeof fetch): Promise<Reply> {
  try {
    const response = await send(url, { signal: AbortSignal.timeout(REPLY_TIMEOUT_MS) });
    return { kind: 'answered', status: response.status, text: await response.text() };
  } catch (error) {
    return { kind: 'failed', error: `cannot reach ${url.origin}: ${fetchFailure(error)}` };
  }
}

interface Envelope extends ReadAnswer {
  readonly error?: string;
  readonly partial?: boolean;
  readonly truncated?: boolean;
  readonly inexact?: readonly { readonly field: string; readonly reason: string }[];
  readonly shards?: {
    readonly total: number;
    readonly failed: readonly { readonly id: string; readonly reason: string }[];
  };
}

async function show(
  reply: Reply,
  { io, asJson }: { readonly io: GetIo; readonly asJson: boolean },
): Promise<number> {
  if (reply.kind === 'failed') return fail(io, reply.error);
  const answer = parseEnvelope(reply.text);
  if (reply.status === 404) return fail(io, answer?.error ?? 'not found', GET_EXIT.notFound);
  if (reply.status !== 200)
    return fail(io, `the server answered ${reply.status}: ${answer?.error ?? 'no reason given'}`);
  if (answer === undefined) return fail(io, 'the answer of the server is not JSON');

  const color = io.isTty && !process.env.NO_COLOR;
  const table = asJson ? undefined : tableOf(answer, { color });
  await write(io.stdout, table ?? `${reply.text}\n`);
  if (answer.truncated === true) await say(io, 'there are more rows; shard.sql.maxRows bounds them');
  for (const [reason, fields] of Map.groupBy(answer.inexact ?? [], each => each.reason))
    await say(io, `not exact: ${fields.map(({ field }) => field).join(', ')} (${reason})`);
  if (answer.partial !== true) return EXIT.ok;
  const { total = 0, failed = [] } = answer.shards ?? {};
  const missing = failed.map(shard => `${shard.id} (${shard.reason})`).join(', ');
  await say(io, `partial answer, ${failed.length} of ${total} shards are missing: ${missing}`);
  return GET_EXIT.partial;
}

function parseEnvelope(text: string): Envelope | undefined {
  try {
    const answer = JSON.parse(text, exactInteger) as Envelope | null;
    return typeof answer === 'object' && answer !== null ? answer : undefined;
  } catch {
    return undefined;
  }
}

/** An integer that JavaScript cannot hold, such as one of SQL, is shown as it is written. */
function exactInteger(_name: string, value: unknown, context?: { readonly source?: string }): unknown {
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? (context?.source ?? value) : value;
}

async function fail(io: GetIo, error: string, exitCode: number = EXIT.failed): Promise<number> {
  await say(io, error);
  return exitCode;
}

function say({ stderr }: GetIo, message: string): Promise<void> {
  return write(stderr, `otelfan get: ${printable(message)}\n`);
}
