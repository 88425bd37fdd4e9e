import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Admission } from '../../src/shared/otlp/admission.ts';
import { admissionOf } from '../support/admission.ts';
import { decodeStatus } from '../support/otlp-answers.ts';
import { heldOutcomes, openGrpcDoor, openHttpDoor, type TestDoor } from '../support/otlp-door.ts';
import { connectRaw, grpcFrame, type RawAnswer } from '../support/raw-grpc.ts';

const LARGE_REQUEST_BYTES = 64 * 1024 * 1024;

let door: TestDoor | undefined;
const clients: { close(): void }[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await door?.stop();
  door = undefined;
});

/** A mark that a test puts up and takes down. */
function marked(reason: string | undefined) {
  const mark = { reason };
  return { mark, admission: admissionOf({ reasons: [() => mark.reason] }) };
}

describe('over HTTP', () => {
  /** Sends the head of a request, and nothing of its body before it is asked for. */
  function begin(port: number, headers: Record<string, string | number> = {}) {
    const request = httpRequest({
      host: '127.0.0.1',
      port,
      method: 'POST',
      path: '/v1/traces',
      headers: { 'content-type': 'application/x-protobuf', ...headers },
      agent: false,
    });
    clients.push({ close: () => request.destroy() });
    request.on('error', () => {});
    request.flushHeaders();
    const answer = new Promise<IncomingMessage>(resolve => request.once('response', resolve));
    return { request, answer };
  }

  async function statusOf(response: IncomingMessage) {
    const chunks = (await response.toArray()) as Buffer[];
    return { http: response.statusCode, headers: response.headers, ...decodeStatus(Buffer.concat(chunks)) };
  }

  it('a mark is answered with 503 and its reason before a byte of the body is there', async () => {
    const { admission } = marked('the queue is full');
    door = await openHttpDoor({ admission });
    const { answer } = begin(door.port, { 'content-length': 50_000 });
    const { http, code, message, headers, details } = await statusOf(await answer);
    expect({ http, code, message }).toEqual({ http: 503, code: 14, message: 'the queue is full' });
    expect(headers['retry-after']).toBe('1');
    expect(details).toEqual(['type.googleapis.com/google.rpc.RetryInfo']);
    expect(door.answered).toMatchObject([{ transport: 'http', signal: 'traces', condition: 'unavailable' }]);
  });

  it('a request over the memory left is refused by its content-length', async () => {
    const held = heldOutcomes();
    const admission = admissionOf({ bytes: 100_000 });
    door = await openHttpDoor({ admission, outcome: held.outcome });
    const first = begin(door.port, { 'content-length': 60_000 });
    first.request.end(Buffer.alloc(60_000));
    await expect.poll(() => door?.received.length).toBe(1);
    const second = begin(door.port, { 'content-length': 60_000 });
    const { http, message } = await statusOf(await second.answer);
    expect(http).toBe(503);
    expect(message).toContain('ingest.maxBytesInFlight');
    held.answerNext();
    expect((await first.answer).statusCode).toBe(200);
    await expect.poll(() => admission.bytes()).toBe(0);
  });

  it('what silent senders declare keeps nobody else out', async () => {
    const admission = admissionOf({ bytes: 4_000_000 });
    door = await openHttpDoor({ admission, maxRequestBytes: 1_000_000 });
    const silent = Array.from({ length: 4 }, () => begin(door?.port ?? 0, { 'content-length': 1_000_000 }));
    for (const { request } of silent) request.write('x');
    await expect.poll(() => admission.bytes()).toBe(4 * 64 * 1024);
    const { request, answer } = begin(door.port, { 'content-length': 900_000 });
    request.end(Buffer.alloc(900_000));
    expect((await answer).statusCode).toBe(200);
  });

  it('a sender that goes silent in the middle gets 503, and its place and memory are free', async () => {
    const admission = admissionOf();
    door = await openHttpDoor({ admission, maxSilenceMs: 300 });
    const { request, answer } = begin(door.port, { 'content-length': 50_000 });
    request.write('x');
    await expect.poll(() => admission.bytes()).toBe(50_000);
    const { http, message } = await statusOf(await answer);
    expect({ http, message }).toEqual({ http: 503, message: 'nothing of the request came for 300 ms' });
    await expect.poll(() => [admission.requests(), admission.bytes()]).toEqual([0, 0]);
  });

  it('an answer that takes longer than a sender may be silent is given', async () => {
    const held = heldOutcomes();
    door = await openHttpDoor({ outcome: held.outcome, maxSilenceMs: 100 });
    const { request, answer } = begin(door.port, { 'content-length': 3 });
    request.end('abc');
    await new Promise(resolve => setTimeout(resolve, 400));
    held.answerNext();
    expect((await answer).statusCode).toBe(200);
  });

  it('a sender that asks first is told to go on when admitted', async () => {
    door = await openHttpDoor();
    const { request, answer } = begin(door.port, { 'content-length': 3, expect: '100-continue' });
    await once(request, 'continue');
    request.end('\x0a\x01\x00', 'latin1');
    expect((await answer).statusCode).toBe(200);
  });

  it('a sender that asks first gets 503 instead, and its connection is closed', async () => {
    const { admission } = marked('the queue is full');
    door = await openHttpDoor({ admission });
    const { request, answer } = begin(door.port, { 'content-length': 50_000, expect: '100-continue' });
    let wasContinued = false;
    request.on('continue', () => (wasContinued = true));
    const response = await answer;
    expect(response.statusCode).toBe(503);
    expect(response.headers.connection).toBe('close');
    expect(wasContinued).toBe(false);
  });

  it('a sender in the middle of a large upload reads the answer and is not reset', async () => {
    const { admission } = marked('the queue is full');
    door = await openHttpDoor({ admission, maxRequestBytes: LARGE_REQUEST_BYTES });
    const socket = connect(door.port, '127.0.0.1');
    clients.push({ close: () => socket.destroy() });
    let failure: Error | undefined;
    socket.on('error', error => (failure = error));
    let answer = '';
    socket.on('data', chunk => (answer += chunk.toString('latin1')));
    const bodyBytes = 30_000_000;
    socket.write(
      `POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: ${bodyBytes}\r\n\r\n`,
    );
    await new Promise(resolve => socket.write(Buffer.alloc(bodyBytes), resolve));
    await expect.poll(() => answer).toContain('HTTP/1.1 503');
    expect(failure).toBeUndefined();
    // The connection is of use again: keep-alive survives a refusal.
    socket.write('GET /v1/traces HTTP/1.1\r\nhost: x\r\n\r\n');
    await expect.poll(() => answer).toContain('HTTP/1.1 405');
  });

  it('a client that leaves in the middle gives its place and its memory back', async () => {
    const admission = admissionOf();
    door = await openHttpDoor({ admission });
    const { request } = begin(door.port, { 'content-length': 50_000 });
    request.write(Buffer.alloc(10_000));
    await expect.poll(() => admission.bytes()).toBe(50_000);
    request.destroy();
    await expect.poll(() => [admission.requests(), admission.bytes()]).toEqual([0, 0]);
    expect(door.received).toEqual([]);
  });

  it('requests over the most at once get 503 naming the setting, and a place is free after an answer', async () => {
    const held = heldOutcomes();
    const admission = admissionOf({ requests: 1 });
    door = await openHttpDoor({ admission, outcome: held.outcome });
    const first = begin(door.port, { 'content-length': 0 });
    first.request.end();
    await expect.poll(() => door?.received.length).toBe(1);
    const { http, message } = await statusOf(await begin(door.port, { 'content-length': 9 }).answer);
    expect(http).toBe(503);
    expect(message).toContain('ingest.maxConcurrentRequests');
    held.answerNext();
    expect((await first.answer).statusCode).toBe(200);
    await expect.poll(() => admission.requests()).toBe(0);
  });
});

describe('over gRPC', () => {
  async function open(admission: Admission, maxSilenceMs?: number) {
    door = await openGrpcDoor({ admission, maxRequestBytes: LARGE_REQUEST_BYTES, maxSilenceMs });
    const client = connectRaw(door.port);
    clients.push(client);
    return client;
  }

  const codeOf = ({ trailers }: RawAnswer) => Number(trailers['grpc-status']);

  it('a mark is answered with UNAVAILABLE and its reason before a byte of the message is there', async () => {
    const client = await open(marked('the queue is full').admission);
    const answer = await client.call({ isOpen: true }).answer;
    expect(codeOf(answer)).toBe(14);
    expect(answer.trailers['grpc-message']).toBe('the queue is full');
    const details = Buffer.from(answer.trailers['grpc-status-details-bin'] as string, 'base64');
    expect(decodeStatus(details)).toEqual({
      code: 14,
      message: 'the queue is full',
      details: ['type.googleapis.com/google.rpc.RetryInfo'],
    });
    expect(door?.answered).toMatchObject([{ transport: 'grpc', signal: 'traces', condition: 'unavailable' }]);
  });

  it('a message is refused by its length when it is over what is left, before it comes', async () => {
    const admission = admissionOf({ bytes: 1_000_000 });
    const client = await open(admission);
    const first = client.call({
      chunks: [grpcFrame(Buffer.alloc(400_000), { claimedBytes: 900_000 })],
      isOpen: true,
    });
    await expect.poll(() => admission.bytes()).toBe(900_000);
    const second = client.call({
      chunks: [grpcFrame(Buffer.alloc(0), { claimedBytes: 200_000 })],
      isOpen: true,
    });
    const answer = await second.answer;
    expect(codeOf(answer)).toBe(14);
    expect(answer.trailers['grpc-message']).toContain('ingest.maxBytesInFlight');
    first.stream.destroy();
    await expect.poll(() => [admission.requests(), admission.bytes()]).toEqual([0, 0]);
  });

  it('what silent callers claim keeps nobody else out', async () => {
    const admission = admissionOf({ bytes: 4_000_000 });
    const client = await open(admission);
    const claimed = grpcFrame(Buffer.alloc(1), { claimedBytes: 1_000_000 });
    for (let call = 0; call < 4; call++) {
      // Ended with the client, in the middle.
      client.call({ chunks: [claimed], isOpen: true }).answer.catch(() => {});
    }
    await expect.poll(() => admission.bytes()).toBe(4 * 64 * 1024);
    expect(codeOf(await client.call({ chunks: [grpcFrame(Buffer.alloc(900_000))] }).answer)).toBe(0);
  });

  it('a message that grows over what is left is refused in the middle', async () => {
    const admission = admissionOf({ bytes: 1_000_000 });
    const client = await open(admission);
    const slow = client.call({
      chunks: [grpcFrame(Buffer.alloc(1), { claimedBytes: 900_000 })],
      isOpen: true,
    });
    await expect.poll(() => admission.bytes()).toBe(64 * 1024);
    const fast = client.call({
      chunks: [grpcFrame(Buffer.alloc(400_000), { claimedBytes: 900_000 })],
      isOpen: true,
    });
    await expect.poll(() => admission.bytes()).toBe(64 * 1024 + 900_000);
    slow.stream.write(Buffer.alloc(100_000));
    const answer = await slow.answer;
    expect(codeOf(answer)).toBe(14);
    expect(answer.trailers['grpc-message']).toContain('ingest.maxBytesInFlight');
    fast.stream.end(Buffer.alloc(500_000));
    expect(codeOf(await fast.answer)).toBe(0);
  });

  it('a call that goes silent in the middle is given up, and its place and memory are free', async () => {
    const admission = admissionOf();
    const client = await open(admission, 300);
    const claimed = grpcFrame(Buffer.alloc(1), { claimedBytes: 900_000 });
    const { answer } = client.call({ chunks: [claimed], isOpen: true });
    await expect.poll(() => admission.bytes()).toBe(64 * 1024);
    await Promise.allSettled([answer]);
    await expect.poll(() => [admission.requests(), admission.bytes()]).toEqual([0, 0]);
  });

  it('a message over the limit is refused by its length, for good', async () => {
    const client = await open(admissionOf());
    const claimed = grpcFrame(Buffer.alloc(0), { claimedBytes: LARGE_REQUEST_BYTES + 1 });
    const answer = await client.call({ chunks: [claimed], isOpen: true }).answer;
    expect(codeOf(answer)).toBe(8);
    const details = Buffer.from(answer.trailers['grpc-status-details-bin'] as string, 'base64');
    expect(decodeStatus(details).details).toEqual([]);
  });

  it('refused uploads cost no memory and leave the connection in use', async () => {
    const { mark, admission } = marked('the queue is full');
    const client = await open(admission);
    const chunks = Array.from({ length: 20 }, () => Buffer.alloc(1_000_000));
    const uploads = Array.from({ length: 8 }, () =>
      client.call({ chunks: [grpcFrame(Buffer.alloc(0), { claimedBytes: 20_000_000 }), ...chunks] }),
    );
    const codes = await Promise.all(uploads.map(async ({ answer }) => codeOf(await answer)));
    expect(new Set(codes)).toEqual(new Set([14]));
    expect(admission.bytes()).toBe(0);
    mark.reason = undefined;
    expect(codeOf(await client.call({ chunks: [grpcFrame(Buffer.alloc(2_000_000))] }).answer)).toBe(0);
  });

  it('calls over the most at once get UNAVAILABLE, and a cancelled one gives its place back', async () => {
    const admission = admissionOf({ requests: 1 });
    const client = await open(admission);
    const first = client.call({ isOpen: true });
    await expect.poll(() => admission.requests()).toBe(1);
    const answer = await client.call({ isOpen: true }).answer;
    expect(codeOf(answer)).toBe(14);
    expect(answer.trailers['grpc-message']).toContain('ingest.maxConcurrentRequests');
    first.stream.destroy();
    await expect.poll(() => admission.requests()).toBe(0);
    expect(codeOf(await client.call({ chunks: [grpcFrame(Buffer.alloc(2))] }).answer)).toBe(0);
  });
});
