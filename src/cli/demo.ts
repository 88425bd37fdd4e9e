import { randomInt } from 'node:crypto';
import { POSITIVE_DURATION_FORMS, parseDurationMs } from '../shared/config/units.ts';
import { SIGNAL_FACTS, SIGNALS, type Signal } from '../shared/otlp/signal.ts';
import { createRandom } from './demo/random.ts';
import { runDemo, systemClock } from './demo/run.ts';
import { type Count, createTally, type Tally } from './demo/tally.ts';
import { EXIT, UserError } from './exit-codes.ts';
import { type Flags, helpText, type ParsedFlags, parseFlags } from './flags.ts';
import type { Io } from './io.ts';
import { parseEndpoint, postOtlp } from './otlp-post.ts';
import { printable, renderTable } from './table.ts';

const DEFAULTS = { endpoint: 'http://127.0.0.1:4318', rate: '5', duration: '30s' } as const;
const MAX_RATE = 500;
const MAX_TRACES = 1_000_000;
const MAX_DURATION_MS = 86_400_000;
const MAX_SEED = 2 ** 32 - 1;
const EXPORT_TIMEOUT_MS = 10_000;

const FLAGS = {
  endpoint: {
    type: 'string',
    placeholder: 'URL',
    about: `OTLP/HTTP receiver, without /v1/... (default ${DEFAULTS.endpoint})`,
  },
  rate: {
    type: 'string',
    placeholder: 'N',
    about: `traces per second, at most ${MAX_RATE} (default ${DEFAULTS.rate})`,
  },
  duration: {
    type: 'string',
    placeholder: 'DURATION',
    about: `how long, such as 90s or 10m (default ${DEFAULTS.duration})`,
  },
  traces: { type: 'string', placeholder: 'N', about: 'how many traces, instead of how long' },
  seed: {
    type: 'string',
    placeholder: 'N',
    about: 'the same seed makes the same traces, under new ids and times',
  },
  help: { type: 'boolean', about: 'show this text' },
} as const satisfies Flags;

const HELP = {
  summary: `Send the telemetry of a small web shop, made with the OpenTelemetry SDK: five services, traces across
them with errors, events and links, logs, metrics, and the calls of an AI assistant.

Ctrl-C ends it and still sends what was made; a second Ctrl-C does not wait.`,
  usage: 'otelfan demo [flags]',
  flags: FLAGS,
  exitCodes: '0 all was accepted, 1 some was not, 2 usage',
  example: 'otelfan demo --traces 1000 --rate 100',
};

/** `otelfan demo`: resolves with one of the exit codes of its help. */
export async function demoCommand(argv: readonly string[], io: Io): Promise<number> {
  const parsed = parseFlags('demo', argv, FLAGS);
  if (parsed.isSet('help')) {
    io.stdout.write(helpText(HELP));
    return EXIT.ok;
  }
  const settings = settingsOf(parsed);
  const unreachable = await whyUnreachable(settings.endpoint);
  if (unreachable !== undefined) {
    io.stderr.write(`otelfan demo: ${printable(unreachable)}\n`);
    return EXIT.failed;
  }
  const tally = createTally();
  const progress = startProgress(io, tally);
  const made = await untilInterrupted(stop =>
    runDemo({ ...settings, clock: systemClock, stop, exportTimeoutMs: EXPORT_TIMEOUT_MS, tally }),
  ).finally(() => progress.end());
  io.stdout.write(summary(made, tally));
  for (const reason of tally.reasons()) io.stderr.write(`otelfan demo: ${printable(reason)}\n`);
  return SIGNALS.every(signal => lost(tally.count(signal)) === 0) ? EXIT.ok : EXIT.failed;
}

function settingsOf(parsed: ParsedFlags) {
  const text = (name: keyof typeof DEFAULTS) => parsed.text(name) ?? DEFAULTS[name];
  const endpoint = parseEndpoint(text('endpoint'));
  if (endpoint === undefined) throw usage('endpoint', text('endpoint'), 'a URL with http:// or https://');
  const rate = text('rate');
  const tracesPerSecond = /^\d{1,3}(\.\d{1,3})?$/.test(rate) ? Number(rate) : 0;
  if (tracesPerSecond <= 0 || tracesPerSecond > MAX_RATE) {
    throw usage('rate', rate, `a number above 0, at most ${MAX_RATE}`);
  }
  const seed = whole(parsed, 'seed', { min: 0, max: MAX_SEED }) ?? randomInt(MAX_SEED);
  return { endpoint, tracesPerSecond, until: untilOf(parsed, text('duration')), random: createRandom(seed) };
}

function untilOf(parsed: ParsedFlags, duration: string) {
  const traces = whole(parsed, 'traces', { min: 1, max: MAX_TRACES });
  if (traces !== undefined) {
    if (parsed.isSet('duration')) throw usage('traces', String(traces), 'not together with --duration');
    return { traces };
  }
  const durationMs = parseDurationMs(duration) ?? 0;
  if (durationMs <= 0 || durationMs > MAX_DURATION_MS) {
    throw usage('duration', duration, `${POSITIVE_DURATION_FORMS}, at most 1d`);
  }
  return { durationMs };
}

function whole(
  parsed: ParsedFlags,
  name: keyof typeof FLAGS,
  { min, max }: { readonly min: number; readonly max: number },
): number | undefined {
  const text = parsed.text(name);
  if (text === undefined) return undefined;
  const number = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  if (number < min || number > max) throw usage(name, text, `a whole number from ${min} to ${max}`);
  return number;
}

function usage(name: string, value: string, accepted: string): UserError {
  return new UserError(`--${name} ${value}: expected ${accepted} (see: otelfan demo --help)`, EXIT.usage);
}

/** Half a minute of failing exports would tell the same, later. */
async function whyUnreachable(endpoint: URL): Promise<string | undefined> {
  const answer = await postOtlp({
    endpoint,
    signal: 'traces',
    encoding: 'protobuf',
    body: new Uint8Array(),
    timeoutMs: EXPORT_TIMEOUT_MS,
  });
  return answer.kind === 'unreachable' ? `cannot reach ${endpoint.origin}: ${answer.reason}` : undefined;
}

/** The first SIGINT or SIGTERM aborts the signal; the next one ends the process, as it does by default. */
async function untilInterrupted<T>(task: (stop: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const signals = ['SIGINT', 'SIGTERM'] as const;
  const forget = () => {
    for (const signal of signals) process.off(signal, interrupt);
  };
  const interrupt = () => {
    forget();
    controller.abort();
  };
  for (const signal of signals) process.on(signal, interrupt);
  return task(controller.signal).finally(forget);
}

const REWRITE_MS = 250;
const PLAIN_LINE_MS = 5000;

/** A line that is rewritten where a person watches, a new line now and then elsewhere. */
function startProgress({ stdout, isTty }: Io, tally: Tally): { end(): void } {
  const show = () => stdout.write(isTty ? `\r${progressLine(tally)}\u001b[K` : `${progressLine(tally)}\n`);
  const timer = setInterval(show, isTty ? REWRITE_MS : PLAIN_LINE_MS);
  return {
    end: () => {
      clearInterval(timer);
      if (isTty) stdout.write('\r\u001b[K');
    },
  };
}

function progressLine(tally: Tally): string {
  const sent = SIGNALS.map(signal => `${stored(tally.count(signal))} ${nounOf(signal)}`).join(', ');
  const failed = SIGNALS.reduce((sum, signal) => sum + tally.count(signal).failed, 0);
  return `sent ${sent}${failed > 0 ? `; ${failed} failed` : ''}`;
}

function summary(traces: number, tally: Tally): string {
  const table = renderTable<Signal>({
    columns: [
      { title: 'SIGNAL', cell: signal => signal },
      { title: 'RECORDS', cell: nounOf },
      { title: 'SENT', align: 'right', cell: signal => String(stored(tally.count(signal))) },
      { title: 'REJECTED', align: 'right', cell: signal => String(tally.count(signal).rejected) },
      { title: 'FAILED', align: 'right', cell: signal => String(failed(tally.count(signal))) },
    ],
    rows: SIGNALS,
  });
  return `${traces} traces made\n${table}`;
}

function nounOf(signal: Signal): string {
  return `${SIGNAL_FACTS[signal].recordNoun}s`;
}

function stored({ accepted, rejected }: Count): number {
  return accepted - rejected;
}

/** In the end, also what the SDK dropped because its queue was full. */
function failed({ made, accepted }: Count): number {
  return made - accepted;
}

function lost(count: Count): number {
  return failed(count) + count.rejected;
}
