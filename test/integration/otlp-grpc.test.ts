import http2 from 'node:http2';
import grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { type ExportRequest, refuse } from '../../src/shared/otlp/door.ts';
import { SIGNAL_FACTS, SIGNALS, type Signal } from '../../src/shared/otlp/signal.ts';
import { admissionOf } from '../support/admission.ts';
import { decodeExportResponse, decodeStatus } from '../support/otlp-answers.ts';
import {
  ACCEPTED,
  heldOutcomes,
  MAX_REQUEST_BYTES,
  openGrpcDoor,
  type TestDoor,
  type TestDoorOptions,
} from '../support/otlp-door.ts';
import { grpcFrame, TRACE_EXPORT } from '../support/raw-grpc.ts';

const raw = (bytes: Buffer) => bytes;

let door: TestDoor | undefined;
let client: grpc.Client | undefined;
afterEach(async () => {
  client?.close();
  await door?.stop();
  door = undefined;
});

/** A door, and grpc-js to talk to it. */
async function openDoor(options: TestDoorOptions = {}) {
  const opened = await openGrpcDoor(options);
  door = opened;
  const connected = new grpc.Client(`127.0.0.1:${opened.port}`, grpc.credentials.createInsecure());
  client = connected;
  const exportTo = (
    signal: Signal,
    body: Buffer,
    options: grpc.CallOptions & { metadata?: grpc.Metadata } = {},
  ) =>
    new Promise<Buffer>((resolve, reject) => {
      const path = `/${SIGNAL_FACTS[signal].grpcService}/Export`;
      const metadata = options.metadata ?? new grpc.Metadata();
      connected.makeUnaryRequest(path, raw, raw, body, metadata, options, (error, response) =>
        error === null ? resolve(response as Buffer) : reject(error),
      );
    });
  return { door: opened, received: opened.received, exportTo };
}

async function failureOf(call: Promise<unknown>): Promise<grpc.ServiceError> {
  return call.then(
    () => expect.unreachable('the call succeeded'),
    (error: unknown) => error as grpc.ServiceError,
  );
}

/** Type URLs of the details that came with a failure. */
function detailsOf(error: grpc.ServiceError): string[] {
  return decodeStatus(error.metadata.get('grpc-status-details-bin')[0] as Buffer).details;
}

function compressedBy(name: string): grpc.Metadata {
  const metadata = new grpc.Metadata();
  metadata.set('grpc-internal-encoding-request', name);
  return metadata;
}

describe('the OTLP/gRPC door, asked by grpc-js,', () => {
  it.each(SIGNALS)('takes %s and answers an empty response', async signal => {
    const { door, received, exportTo } = await openDoor();
    const response = await exportTo(signal, Buffer.from('bytes'));
    expect(response.length).toBe(0);
    expect(received).toMatchObject([{ signal, transport: 'grpc', body: Buffer.from('bytes') }]);
    expect(door.answered).toMatchObject([{ signal, transport: 'grpc', condition: 'accepted' }]);
  });

  it('takes an empty request', async () => {
    const { received, exportTo } = await openDoor();
    await exportTo('logs', Buffer.alloc(0));
    expect(received[0]?.body.length).toBe(0);
  });

  it.each(['gzip', 'deflate'])('takes %s', async name => {
    const { received, exportTo } = await openDoor();
    const body = Buffer.alloc(50_000, 1);
    await exportTo('traces', body, { metadata: compressedBy(name) });
    expect(received[0]?.body.equals(body)).toBe(true);
  });

  it('takes a message of many frames, byte for byte', async () => {
    const { received, exportTo } = await openDoor({ maxRequestBytes: 10_000_000 });
    const body = Buffer.from(Array.from({ length: 5_000_000 }, (_, index) => (index * 31) >> 4));
    await exportTo('traces', body);
    expect(received[0]?.body.equals(body)).toBe(true);
  });

  it('reckons the deadline by the clock it was given', async () => {
    const { received, exportTo } = await openDoor({ clock: { now: () => 1_000_000 } });
    await exportTo('traces', Buffer.from('x'), { deadline: Date.now() + 7_000 });
    const { deadlineMs = 0 } = received[0] as ExportRequest;
    expect(deadlineMs).toBeGreaterThan(1_000_000);
    expect(deadlineMs).toBeLessThanOrEqual(1_007_000);
  });

  it("knows the sender's deadline and its metadata", async () => {
    const { received, exportTo } = await openDoor();
    const metadata = new grpc.Metadata();
    metadata.set('x-otelfan-test', 'yes');
    const deadline = Date.now() + 7_000;
    await exportTo('traces', Buffer.from('x'), { metadata, deadline });
    const { deadlineMs = 0, header } = received[0] as ExportRequest;
    expect(Math.abs(deadlineMs - deadline)).toBeLessThan(2_000);
    expect(header('x-otelfan-test')).toBe('yes');
    expect(header('x-absent')).toBeUndefined();
    await exportTo('traces', Buffer.from('x'));
    expect(received[1]?.deadlineMs).toBeUndefined();
  });

  it('answers partial success with count and reason', async () => {
    const { exportTo } = await openDoor({
      outcome: { kind: 'accepted', rejected: 2, message: 'two were bad' },
    });
    expect(decodeExportResponse(await exportTo('logs', Buffer.from('x')))).toEqual({
      rejected: 2,
      errorMessage: 'two were bad',
    });
  });

  it('refuses what cannot be stored now with UNAVAILABLE and RetryInfo', async () => {
    const { exportTo } = await openDoor({ outcome: refuse('unavailable', 'the queue is “away”', 1500) });
    const error = await failureOf(exportTo('traces', Buffer.from('x')));
    expect(error.code).toBe(grpc.status.UNAVAILABLE);
    expect(error.details).toBe('the queue is “away”');
    expect(detailsOf(error)).toEqual(['type.googleapis.com/google.rpc.RetryInfo']);
  });

  it('refuses malformed bytes with INVALID_ARGUMENT and BadRequest', async () => {
    const { exportTo } = await openDoor({ outcome: refuse('malformed', 'not OTLP') });
    const error = await failureOf(exportTo('traces', Buffer.from('x')));
    expect(error.code).toBe(grpc.status.INVALID_ARGUMENT);
    expect(detailsOf(error)).toEqual(['type.googleapis.com/google.rpc.BadRequest']);
  });

  it('refuses a message over the limit, compressed or not, with RESOURCE_EXHAUSTED and no RetryInfo', async () => {
    const { received, exportTo } = await openDoor();
    const tooLarge = Buffer.alloc(MAX_REQUEST_BYTES + 1);
    for (const options of [{}, { metadata: compressedBy('gzip') }]) {
      const error = await failureOf(exportTo('traces', tooLarge, options));
      expect(error.code).toBe(grpc.status.RESOURCE_EXHAUSTED);
      expect(detailsOf(error)).toEqual([]);
    }
    expect(received).toEqual([]);
    await exportTo('traces', Buffer.from('x'));
    expect(received).toHaveLength(1);
  });

  it('answers an unknown method with UNIMPLEMENTED', async () => {
    const { door } = await openDoor();
    const connected = client as grpc.Client;
    const error = await failureOf(
      new Promise((resolve, reject) => {
        connected.makeUnaryRequest('/a.B/C', raw, raw, Buffer.alloc(0), (failure, response) =>
          failure === null ? resolve(response) : reject(failure),
        );
      }),
    );
    expect(error.code).toBe(grpc.status.UNIMPLEMENTED);
    expect(door.received).toEqual([]);
  });
});

it('a call that its client cancelled is let go when its handler is done', async () => {
  const held = heldOutcomes();
  const admission = admissionOf();
  const { received, exportTo } = await openDoor({ admission, outcome: held.outcome });
  const late = exportTo('traces', Buffer.from('x'), { deadline: Date.now() + 300 });
  expect((await failureOf(late)).code).toBe(grpc.status.DEADLINE_EXCEEDED);
  expect([received.length, admission.requests()]).toEqual([1, 1]);
  held.answerNext();
  await expect.poll(() => admission.requests()).toBe(0);
  const next = exportTo('traces', Buffer.from('x'));
  await expect.poll(() => received.length).toBe(2);
  held.answerNext();
  expect((await next).length).toBe(0);
});

describe('a connection of the OTLP/gRPC door', () => {
  it('is made anew when it is old, without failing a call', async () => {
    const { received, exportTo } = await openDoor({ maxConnectionAgeMs: 100 });
    const body = Buffer.alloc(20_000);
    let failed = 0;
    const until = performance.now() + 1_500;
    const callForever = async () => {
      while (performance.now() < until) await exportTo('traces', body).catch(() => failed++);
    };
    await Promise.all(Array.from({ length: 8 }, callForever));
    expect(received.length).toBeGreaterThan(100);
    expect(failed).toBe(0);
  });

  it('that is old lets the calls in hand finish', async () => {
    const held = heldOutcomes();
    const { received, exportTo } = await openDoor({ maxConnectionAgeMs: 50, outcome: held.outcome });
    const first = exportTo('traces', Buffer.from('x'));
    await expect.poll(() => received.length).toBe(1);
    const connected = client as grpc.Client;
    await expect
      .poll(() => connected.getChannel().getConnectivityState(false))
      .toBe(grpc.connectivityState.IDLE);
    held.answerNext();
    expect((await first).length).toBe(0);
  });

  it('that is old and whose client never takes an answer is ended', async () => {
    const { door } = await openDoor({ maxConnectionAgeMs: 50, ageGraceMs: 100 });
    const session = http2.connect(`http://127.0.0.1:${door.port}`, { settings: { initialWindowSize: 0 } });
    session.on('error', () => {});
    const stream = session.request({
      ':method': 'POST',
      ':path': TRACE_EXPORT,
      'content-type': 'application/grpc',
    });
    stream.on('error', () => {});
    stream.end(grpcFrame(Buffer.from('x')));
    await expect.poll(() => door.answered.length).toBe(1);
    await expect.poll(() => session.destroyed).toBe(true);
  });

  it('is closed when the door is stopped, after the calls in hand', async () => {
    const held = heldOutcomes();
    const { door, received, exportTo } = await openDoor({ outcome: held.outcome });
    const call = exportTo('traces', Buffer.from('x'));
    await expect.poll(() => received.length).toBe(1);
    const stopped = door.stop();
    held.answerNext(ACCEPTED);
    expect((await call).length).toBe(0);
    await stopped;
  });
});
