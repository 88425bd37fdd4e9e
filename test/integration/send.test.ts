import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sendCommand } from '../../src/cli/send.ts';
import type { HttpListener } from '../../src/shared/http-listener.ts';
import { type ExportOutcome, type ExportRequest, refuse } from '../../src/shared/otlp/door.ts';
import { createOtlpHttpServer } from '../../src/shared/otlp/http-server.ts';
import { createJsonTranscoder } from '../../src/shared/otlp/json-transcoder.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { admissionOf } from '../support/admission.ts';
import { protobufOf } from '../support/otlp-records.ts';
import { logsOf, metricsOf, tracesOf } from '../support/otlp-samples.ts';

const types = createOtlpTypes();
const ACCEPTED: ExportOutcome = { kind: 'accepted', rejected: 0, message: '' };
const SAMPLE = tracesOf('shop', [{ trace: 't1', span: 's1' }]);

let folder: string;
let door: HttpListener | undefined;
let other: Server | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'otelfan-send-'));
});
afterEach(async () => {
  rmSync(folder, { recursive: true });
  await door?.stop();
  door = undefined;
  other?.close();
  other = undefined;
});

async function openDoor(outcome: ExportOutcome = ACCEPTED) {
  const received: ExportRequest[] = [];
  door = await createOtlpHttpServer({
    host: '127.0.0.1',
    port: 0,
    maxRequestBytes: 100_000,
    admission: admissionOf(),
    transcoder: createJsonTranscoder(types),
    handle: request => {
      received.push(request);
      return Promise.resolve(outcome);
    },
    logger: pino({ level: 'silent' }),
  });
  return { endpoint: `http://127.0.0.1:${door.port}`, received };
}

function fileOf(content: string | Uint8Array): string {
  const file = join(folder, 'request');
  writeFileSync(file, content);
  return file;
}

async function send(argv: readonly string[], stdin: Readable = Readable.from([])) {
  const out = { stdout: '', stderr: '' };
  const exitCode = await sendCommand(
    argv,
    {
      stdout: { write: text => (out.stdout += text) },
      stderr: { write: text => (out.stderr += text) },
      isTty: false,
      env: {},
    },
    stdin,
  );
  return { ...out, exitCode };
}

describe('otelfan send posts', () => {
  it.each([
    ['traces', SAMPLE],
    ['logs', logsOf('shop', [{ body: { stringValue: 'hello' } }])],
    ['metrics', metricsOf('shop', [{ name: 'requests', gauge: { dataPoints: [{ asInt: '1' }] } }])],
    ['traces', { resource_spans: [] }],
    ['logs', { resource_logs: [] }],
    ['metrics', { resource_metrics: [] }],
  ])('JSON as the %s that its top-level member says', async (signal, sample) => {
    const { endpoint, received } = await openDoor();
    const text = ` \n${JSON.stringify(sample, null, 2)}`;
    const { exitCode, stdout, stderr } = await send([fileOf(text), '--endpoint', endpoint]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(
      new RegExp(`^accepted ${text.length} bytes of ${signal} as application/json in .*\\n$`),
    );
    expect(received.map(request => request.signal)).toEqual([signal]);
  });

  it('protobuf as it is, below the path of the endpoint', async () => {
    const { endpoint, received } = await openDoor();
    const body = protobufOf('traces', SAMPLE);
    const { exitCode } = await send([fileOf(body), '--signal', 'traces', '--endpoint', `${endpoint}/`]);
    expect(exitCode).toBe(0);
    expect(received[0]?.body.equals(body)).toBe(true);
  });

  it('compressed with --gzip', async () => {
    const { endpoint, received } = await openDoor();
    const body = protobufOf('traces', SAMPLE);
    const argv = [fileOf(body), '--signal', 'traces', '--gzip', '--endpoint', endpoint];
    expect(await send(argv)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('gzipped') as string,
    });
    expect(received[0]?.header('content-encoding')).toBe('gzip');
    expect(received[0]?.body.equals(body)).toBe(true);
  });

  it('standard input', async () => {
    const { endpoint, received } = await openDoor();
    const stdin = Readable.from([Buffer.from(JSON.stringify(SAMPLE))]);
    expect((await send(['-', '--endpoint', endpoint], stdin)).exitCode).toBe(0);
    expect(received[0]?.body.equals(protobufOf('traces', SAMPLE))).toBe(true);
  });
});

const ENCODINGS = [
  ['JSON', () => [fileOf(JSON.stringify(SAMPLE))]],
  ['protobuf', () => [fileOf(protobufOf('traces', SAMPLE)), '--signal', 'traces']],
] as const;

describe.each(ENCODINGS)('otelfan send tells of %s', (_name, file) => {
  it('that some records were rejected, how many and why, with exit code 3', async () => {
    const { endpoint } = await openDoor({ kind: 'accepted', rejected: 3, message: 'three were bad' });
    const { exitCode, stderr } = await send([...file(), '--endpoint', endpoint]);
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/^otelfan send: accepted but for 3 rejected: three were bad .*\n$/);
  });

  it('a warning of a receiver that took everything', async () => {
    const { endpoint } = await openDoor({ kind: 'accepted', rejected: 0, message: 'mind the gap' });
    const { exitCode, stdout } = await send([...file(), '--endpoint', endpoint]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('with a warning: mind the gap');
  });

  it('why it was refused, with exit code 1', async () => {
    const { endpoint } = await openDoor(refuse('malformed', 'spans[0].name: not text'));
    const { exitCode, stdout, stderr } = await send([...file(), '--endpoint', endpoint]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain('refused with 400: spans[0].name: not text');
  });
});

describe('otelfan send', () => {
  it('says what a proxy answered in plain text, on one line', async () => {
    other = createServer((_request, response) => {
      response.writeHead(502, { 'content-type': 'text/plain' }).end('bad\ngateway \u001b[31m');
    });
    await new Promise<void>(resolve => other?.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const { exitCode, stderr } = await send([fileOf(JSON.stringify(SAMPLE)), '--endpoint', endpoint]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^otelfan send: refused with 502: bad gateway .*\n$/);
  });

  it('exits 1 when nobody listens, and says so', async () => {
    const { endpoint } = await openDoor();
    await door?.stop();
    const { exitCode, stderr } = await send([fileOf(JSON.stringify(SAMPLE)), '--endpoint', endpoint]);
    expect(exitCode).toBe(1);
    expect(stderr).toBe(`otelfan send: cannot reach ${endpoint}: connection refused; is otelfan running?\n`);
  });

  it.each([
    ['nothing to send', () => [], 'one FILE is needed'],
    ['two files', () => ['a', 'b'], 'one FILE is needed'],
    ['a file that is not there', () => [join(folder, 'none')], 'cannot read'],
    ['an empty file', () => [fileOf('')], 'is empty'],
    ['protobuf without --signal', () => [fileOf(protobufOf('traces', SAMPLE))], 'add --signal'],
    ['another format', () => [fileOf('name,value\n')], 'neither an OTLP JSON object nor'],
    ['a compressed file', () => [fileOf(gzipSync('{}'))], 'is compressed'],
    ['half of a JSON text', () => [fileOf('{"resourceSpans": [')], 'is not one JSON object'],
    [
      'JSON that is not OTLP',
      () => [fileOf('{"spans": []}')],
      'resourceSpans, resourceLogs, resourceMetrics',
    ],
    ['a wrong --signal', () => [fileOf(JSON.stringify(SAMPLE)), '--signal', 'logs'], 'holds traces'],
    ['an unknown --signal', () => [fileOf('{}'), '--signal', 'profiles'], 'traces, logs, metrics'],
    ['an endpoint without a scheme', () => [fileOf('{}'), '--endpoint', 'localhost:4318'], 'http://'],
    ['an unknown flag', () => ['--nope'], '--nope'],
  ])('takes %s for wrong usage', async (_name, argv, message) => {
    await expect(send(argv())).rejects.toMatchObject({
      name: 'UserError',
      exitCode: 2,
      message: expect.stringContaining(message) as string,
    });
  });

  it('explains itself with an example', async () => {
    expect(await send(['--help'])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('Example:') as string,
    });
  });
});
