import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { MEDIA_TYPES } from '../shared/otlp/responses.ts';
import { SIGNALS, type Signal } from '../shared/otlp/signal.ts';
import { EXIT, UserError } from './exit-codes.ts';
import type { Io } from './io.ts';
import { type OtlpAnswer, parseEndpoint, postOtlp } from './otlp-post.ts';
import { printable } from './table.ts';

const SEND_EXIT = { ...EXIT, partlyRejected: 3 } as const;

const DEFAULT_ENDPOINT = 'http://127.0.0.1:4318';
const TIMEOUT_MS = 60_000;

const HELP = `Post a file with one OTLP export request, in JSON or protobuf.

Usage: otelfan send FILE [flags]

FILE is - for standard input. Text that starts with { is JSON, everything else protobuf.

Flags:
  --endpoint URL   OTLP/HTTP receiver, without /v1/... (default ${DEFAULT_ENDPOINT})
  --signal SIGNAL  traces, logs or metrics; needed for protobuf, JSON says it itself
  --gzip           compress the request
  --help           show this text

Exit codes: 0 accepted, 1 refused or unreachable, 2 usage, 3 accepted but for some records.

Example:
  otelfan send request.json --endpoint http://collector:4318 --gzip
`;

/** `otelfan send`: resolves with one of the exit codes of its help. */
export async function sendCommand(
  argv: readonly string[],
  io: Io,
  stdin: Readable = process.stdin,
): Promise<number> {
  const args = parseSendArgs(argv);
  if (args === 'help') {
    io.stdout.write(HELP);
    return EXIT.ok;
  }
  const request = recognize(await readInput(args.file, stdin), args);
  const body = args.gzip ? gzipSync(request.bytes) : request.bytes;
  const startedMs = performance.now();
  const answer = await postOtlp({
    endpoint: args.endpoint,
    signal: request.signal,
    encoding: request.encoding,
    body,
    ...(args.gzip && { compression: 'gzip' }),
    timeoutMs: TIMEOUT_MS,
  });
  const compressed = args.gzip ? ` (${body.length} gzipped)` : '';
  const what = `${request.bytes.length} bytes of ${request.signal} as ${MEDIA_TYPES[request.encoding]}${compressed}`;
  return report(io, answer, {
    what,
    endpoint: args.endpoint,
    elapsedMs: Math.round(performance.now() - startedMs),
  });
}

interface SendArgs {
  readonly file: string;
  readonly endpoint: URL;
  readonly signal: Signal | undefined;
  readonly gzip: boolean;
}

function parseSendArgs(args: readonly string[]): SendArgs | 'help' {
  const { values, positionals } = parsed(args);
  if (values.help) return 'help';
  const [file, ...rest] = positionals;
  if (file === undefined || rest.length > 0) throw usage('one FILE is needed, or - for standard input');
  const endpoint = parseEndpoint(values.endpoint);
  if (endpoint === undefined) {
    throw usage(`--endpoint ${values.endpoint}: expected a URL with http:// or https://`);
  }
  const signal = SIGNALS.find(known => known === values.signal);
  if (values.signal !== undefined && signal === undefined) {
    throw usage(`--signal ${values.signal}: expected one of ${SIGNALS.join(', ')}`);
  }
  return { file, endpoint, signal, gzip: values.gzip };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        endpoint: { type: 'string', default: DEFAULT_ENDPOINT },
        signal: { type: 'string' },
        gzip: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    throw usage((error as Error).message.split('\n')[0] ?? '');
  }
}

async function readInput(file: string, stdin: Readable): Promise<Buffer> {
  try {
    return file === '-' ? await buffer(stdin) : await readFile(file);
  } catch (error) {
    throw usage(`cannot read ${file}: ${(error as Error).message}`);
  }
}

interface Request {
  readonly signal: Signal;
  readonly encoding: 'json' | 'protobuf';
  readonly bytes: Buffer;
}

const BRACE = '{'.charCodeAt(0);
/** Tag of field 1, length-delimited: the only field that an export request has. */
const PROTOBUF_START = 0x0a;
const GZIP_START = Buffer.from([0x1f, 0x8b]);

function recognize(bytes: Buffer, { file, signal }: SendArgs): Request {
  if (bytes.length === 0) throw usage(`${file} is empty`);
  if (bytes.subarray(0, 2).equals(GZIP_START)) {
    throw usage(`${file} is compressed; unpack it, --gzip compresses on the way`);
  }
  if (bytes.find(byte => !isJsonSpace(byte)) === BRACE) {
    return { signal: signalOfJson(bytes, { file, signal }), encoding: 'json', bytes };
  }
  if (bytes[0] !== PROTOBUF_START) {
    throw usage(`${file} is neither an OTLP JSON object nor an OTLP protobuf request`);
  }
  if (signal === undefined) {
    throw usage(`${file} is protobuf, which does not say its signal; add --signal ${SIGNALS.join(', ')}`);
  }
  return { signal, encoding: 'protobuf', bytes };
}

function isJsonSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

const SIGNAL_OF_MEMBER: Readonly<Record<string, Signal>> = {
  resourceSpans: 'traces',
  resource_spans: 'traces',
  resourceLogs: 'logs',
  resource_logs: 'logs',
  resourceMetrics: 'metrics',
  resource_metrics: 'metrics',
};

/** Only the signal is read here: what else is wrong with a request, the receiver says. */
function signalOfJson(bytes: Buffer, { file, signal }: Pick<SendArgs, 'file' | 'signal'>): Signal {
  let members: string[];
  try {
    members = Object.keys(JSON.parse(bytes.toString('utf8')) as object);
  } catch (error) {
    throw usage(`${file} is not one JSON object: ${(error as Error).message}`);
  }
  const found = members.flatMap(member => SIGNAL_OF_MEMBER[member] ?? [])[0];
  if (found === undefined && signal === undefined) {
    throw usage(
      `${file} has none of resourceSpans, resourceLogs, resourceMetrics at the top; --signal says what it is`,
    );
  }
  if (found !== undefined && signal !== undefined && found !== signal) {
    throw usage(`${file} holds ${found}, but --signal says ${signal}`);
  }
  return (found ?? signal) as Signal;
}

interface Sent {
  readonly what: string;
  readonly endpoint: URL;
  readonly elapsedMs: number;
}

function report(io: Io, answer: OtlpAnswer, { what, endpoint, elapsedMs }: Sent): number {
  const fail = (text: string, exitCode: number) => {
    io.stderr.write(`otelfan send: ${printable(text)}\n`);
    return exitCode;
  };
  switch (answer.kind) {
    case 'unreachable':
      return fail(`cannot reach ${endpoint.origin}: ${answer.reason}`, EXIT.failed);
    case 'refused':
      return fail(`refused with ${answer.status}: ${answer.message} (${what})`, EXIT.failed);
    case 'accepted': {
      if (answer.rejected > 0) {
        const reason = answer.message || 'no reason given';
        return fail(
          `accepted but for ${answer.rejected} rejected: ${reason} (${what})`,
          SEND_EXIT.partlyRejected,
        );
      }
      const warning = answer.message === '' ? '' : `, with a warning: ${answer.message}`;
      io.stdout.write(`${printable(`accepted ${what} in ${elapsedMs} ms${warning}`)}\n`);
      return EXIT.ok;
    }
  }
}

function usage(message: string): UserError {
  return new UserError(`${message} (see: otelfan send --help)`, EXIT.usage);
}
