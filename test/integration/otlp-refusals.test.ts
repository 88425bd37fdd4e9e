import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { CONDITIONS, type Condition } from '../../src/shared/otlp/conditions.ts';
import { refuse } from '../../src/shared/otlp/door.ts';
import { decodeStatus } from '../support/otlp-answers.ts';
import {
  MAX_REQUEST_BYTES,
  openGrpcDoor,
  openHttpDoor,
  type TestDoor,
  type TestDoorOptions,
} from '../support/otlp-door.ts';
import { connectRaw, grpcFrame, type RawCall } from '../support/raw-grpc.ts';

let door: TestDoor | undefined;
let closeClient: (() => void) | undefined;
afterEach(async () => {
  closeClient?.();
  closeClient = undefined;
  await door?.stop();
  door = undefined;
});

interface HttpCase {
  readonly path?: string;
  readonly method?: string;
  readonly body?: string | Buffer;
  readonly headers?: Record<string, string>;
  readonly door?: TestDoorOptions;
  readonly condition: Condition;
  readonly says: string;
}

const queueAway = { outcome: refuse('unavailable', 'the queue is away') };
const failing = { outcome: () => Promise.reject(new Error('secret')) };

/** Every way to be refused over HTTP with a body that is sent whole. */
const HTTP_CASES: Record<string, HttpCase> = {
  'an unknown path': { path: '/v1/trace', condition: 'notFound', says: '/v1/traces, /v1/logs, /v1/metrics' },
  profiles: { path: '/v1development/profiles', condition: 'notFound', says: 'profiles are not enabled' },
  'another method': {
    method: 'PUT',
    condition: 'methodNotAllowed',
    says: 'PUT is not allowed on /v1/traces',
  },
  'another content encoding': {
    headers: { 'content-encoding': 'br' },
    condition: 'unsupportedEncoding',
    says: 'Content-Encoding "br" is not one of identity, gzip',
  },
  'a list of encodings': {
    headers: { 'content-encoding': 'gzip, gzip' },
    condition: 'unsupportedEncoding',
    says: '"gzip, gzip" is not one of',
  },
  'a broken body': {
    body: 'x',
    headers: { 'content-encoding': 'gzip' },
    condition: 'malformed',
    says: 'gzip',
  },
  'a body over the limit': {
    body: Buffer.alloc(MAX_REQUEST_BYTES + 1),
    condition: 'tooLarge',
    says: `over the limit of ${MAX_REQUEST_BYTES} (ingest.maxRequestBytes)`,
  },
  'data that cannot be stored now': { door: queueAway, condition: 'unavailable', says: 'the queue is away' },
  'a bug of ours': { door: failing, condition: 'internal', says: 'internal error' },
};

const ENCODINGS = {
  protobuf: {
    type: 'application/x-protobuf',
    empty: '',
    read: decodeStatus,
  },
  json: {
    type: 'application/json',
    empty: '{}',
    read: (body: Buffer) => {
      const {
        code,
        message,
        details = [],
      } = JSON.parse(body.toString()) as {
        code: number;
        message: string;
        details?: { '@type': string }[];
      };
      return { code, message, details: details.map(detail => detail['@type']) };
    },
  },
} as const;

describe.each(['protobuf', 'json'] as const)('OTLP/HTTP answers a google.rpc.Status in %s to', encoding => {
  const { type, empty, read } = ENCODINGS[encoding];

  it.each(Object.entries(HTTP_CASES))('%s', async (_name, given) => {
    door = await openHttpDoor(given.door);
    const response = await fetch(`http://127.0.0.1:${door.port}${given.path ?? '/v1/traces'}`, {
      method: given.method ?? 'POST',
      body: given.body ?? empty,
      headers: { 'content-type': type, ...given.headers },
    });
    const { http, grpc, retryable } = CONDITIONS[given.condition];
    expect(response.status).toBe(http);
    expect(response.headers.get('content-type')).toBe(type);
    const status = read(Buffer.from(await response.arrayBuffer()));
    expect(status.code).toBe(grpc);
    expect(status.message).toContain(given.says);
    expect(status.message).not.toContain('secret');
    expect(response.headers.get('retry-after')).toBe(retryable ? '1' : null);
    expect(status.details.includes('type.googleapis.com/google.rpc.RetryInfo')).toBe(retryable);
    expect(door.answered).toMatchObject([{ transport: 'http', condition: given.condition }]);
  });
});

describe('OTLP/HTTP', () => {
  const plain = { 'content-type': 'text/plain' };

  it('answers JSON to a content type that is none, naming the two it takes', async () => {
    door = await openHttpDoor();
    const response = await fetch(`http://127.0.0.1:${door.port}/v1/traces`, {
      method: 'POST',
      body: 'x',
      headers: plain,
    });
    expect(response.status).toBe(415);
    expect(await response.json()).toMatchObject({
      code: 3,
      message: 'Content-Type "text/plain" is not one of application/x-protobuf, application/json',
    });
  });

  it('names the method to use and the encodings to try', async () => {
    door = await openHttpDoor();
    const traces = `http://127.0.0.1:${door.port}/v1/traces`;
    expect((await fetch(traces)).headers.get('allow')).toBe('POST');
    const headers = { 'content-type': 'application/json', 'content-encoding': 'br' };
    const response = await fetch(traces, { method: 'POST', body: '{}', headers });
    expect(response.headers.get('accept-encoding')).toContain('gzip');
  });

  it.each([
    [10, '1'],
    [1_500, '2'],
    [60_000, '5'],
  ])('a wish to wait %d ms is a Retry-After of %s seconds', async (wishMs, seconds) => {
    door = await openHttpDoor({ outcome: refuse('unavailable', 'away', wishMs) });
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`http://127.0.0.1:${door.port}/v1/traces`, {
      method: 'POST',
      body: '{}',
      headers,
    });
    expect(response.headers.get('retry-after')).toBe(seconds);
  });

  it('answers what is not HTTP with 400 and a status, and closes', async () => {
    door = await openHttpDoor();
    const socket = connect(door.port, '127.0.0.1');
    let answer = '';
    socket.on('data', chunk => (answer += chunk.toString()));
    socket.write('this is not HTTP\r\n\r\n');
    await once(socket, 'close');
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ code: 3 });
  });

  it('keeps a connection for the next request, refused or not', async () => {
    door = await openHttpDoor();
    const socket = connect(door.port, '127.0.0.1');
    let answers = '';
    socket.on('data', chunk => (answers += chunk.toString('latin1')));
    for (const [path, status] of [
      ['/v1/traces', 200],
      ['/nowhere', 404],
      ['/v1/logs', 200],
    ]) {
      answers = '';
      socket.write(
        `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`,
      );
      await expect.poll(() => answers).toContain(`HTTP/1.1 ${status}`);
      expect(answers.toLowerCase()).toContain('connection: keep-alive');
    }
    socket.destroy();
  });
});

const GRPC_CASES: Record<
  string,
  { call: RawCall; door?: TestDoorOptions; condition: Condition; says: string }
> = {
  'an unknown method': {
    call: { headers: { ':path': '/opentelemetry.proto.collector.trace.v1.TraceService/Import' } },
    condition: 'notFound',
    says: 'TraceService/Export',
  },
  profiles: {
    call: {
      headers: { ':path': '/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export' },
    },
    condition: 'notFound',
    says: 'profiles are not enabled',
  },
  'another encoding': {
    call: { headers: { 'grpc-encoding': 'br' }, chunks: [grpcFrame(Buffer.from('x'), { compressed: true })] },
    condition: 'unsupportedEncoding',
    says: 'grpc-encoding "br" is not one of identity, gzip',
  },
  'a compressed message without an encoding': {
    call: { chunks: [grpcFrame(Buffer.from('x'), { compressed: true })] },
    condition: 'malformed',
    says: 'without a grpc-encoding',
  },
  'a call without a message': { call: {}, condition: 'malformed', says: 'ended before its message' },
  'a message cut off': {
    call: { chunks: [grpcFrame(Buffer.from('x'), { claimedBytes: 9 })] },
    condition: 'malformed',
    says: 'ended before its message',
  },
  'a second message': {
    call: { chunks: [grpcFrame(Buffer.from('x')), grpcFrame(Buffer.from('y'))] },
    condition: 'malformed',
    says: 'more than one message',
  },
  'a message over the limit': {
    call: { chunks: [grpcFrame(Buffer.alloc(MAX_REQUEST_BYTES + 1))] },
    condition: 'tooLarge',
    says: 'ingest.maxRequestBytes',
  },
  'data that cannot be stored now': {
    call: { chunks: [grpcFrame(Buffer.from('x'))] },
    door: queueAway,
    condition: 'unavailable',
    says: 'the queue is away',
  },
  'a bug of ours': {
    call: { chunks: [grpcFrame(Buffer.from('x'))] },
    door: failing,
    condition: 'internal',
    says: 'internal error',
  },
};

describe('OTLP/gRPC answers a status with its details to', () => {
  it.each(Object.entries(GRPC_CASES))('%s', async (_name, given) => {
    door = await openGrpcDoor(given.door);
    const client = connectRaw(door.port);
    closeClient = client.close;
    const { headers, trailers } = await client.call(given.call).answer;
    const { grpc, retryable } = CONDITIONS[given.condition];
    expect(headers[':status']).toBe(200);
    expect(headers['content-type']).toBe('application/grpc');
    expect(trailers['grpc-status']).toBe(String(grpc));
    const status = decodeStatus(Buffer.from(trailers['grpc-status-details-bin'] as string, 'base64'));
    expect(status.code).toBe(grpc);
    expect(status.message).toContain(given.says);
    expect(decodeURIComponent(trailers['grpc-message'] as string)).toBe(status.message);
    expect(status.message).not.toContain('secret');
    expect(status.details.includes('type.googleapis.com/google.rpc.RetryInfo')).toBe(retryable);
    expect(door.answered).toMatchObject([{ transport: 'grpc', condition: given.condition }]);
  });
});

it('the gRPC port answers in HTTP to what does not speak gRPC', async () => {
  door = await openGrpcDoor();
  const client = connectRaw(door.port);
  closeClient = client.close;
  const call = { headers: { 'content-type': 'application/x-protobuf', ':path': '/v1/traces' } };
  const { headers, body } = await client.call({ ...call, chunks: [Buffer.from('x')] }).answer;
  expect(headers[':status']).toBe(415);
  expect(JSON.parse(body.toString())).toMatchObject({
    message: expect.stringContaining('takes OTLP/gRPC') as string,
  });
});
