import grpc from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { HttpListener } from '../../src/shared/http-listener.ts';
import { type ExportOutcome, type ExportRequest, refuse } from '../../src/shared/otlp/door.ts';
import { createOtlpGrpcServer } from '../../src/shared/otlp/grpc-server.ts';
import { SIGNAL_FACTS, SIGNALS, type Signal } from '../../src/shared/otlp/signal.ts';
import { admissionOf } from '../support/admission.ts';
import { decodeExportResponse, decodeStatus } from '../support/otlp-answers.ts';

const MAX_REQUEST_BYTES = 100_000;
const raw = (bytes: Buffer) => bytes;

let server: HttpListener | undefined;
let client: grpc.Client | undefined;
afterEach(async () => {
  client?.close();
  await server?.stop();
});

async function openDoor(outcome: ExportOutcome | (() => Promise<ExportOutcome>), budgetBytes = 1_000_000) {
  const received: ExportRequest[] = [];
  server = await createOtlpGrpcServer({
    host: '127.0.0.1',
    port: 0,
    maxRequestBytes: MAX_REQUEST_BYTES,
    maxConnectionAgeMs: 60_000,
    random: Math.random,
    admission: admissionOf({ bytes: budgetBytes }),
    handle: request => {
      received.push(request);
      return typeof outcome === 'function' ? outcome() : Promise.resolve(outcome);
    },
    logger: pino({ level: 'silent' }),
  });
  client = new grpc.Client(`127.0.0.1:${server.port}`, grpc.credentials.createInsecure());
  const connected = client;
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
  return { received, exportTo };
}

const accepted: ExportOutcome = { kind: 'accepted', rejected: 0, message: '' };

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

describe('the OTLP/gRPC door', () => {
  it.each(SIGNALS)('takes %s and answers an empty response', async signal => {
    const { received, exportTo } = await openDoor(accepted);
    const response = await exportTo(signal, Buffer.from('bytes'));
    expect(response.length).toBe(0);
    expect(received).toMatchObject([{ signal, body: Buffer.from('bytes') }]);
  });

  it('takes gzip', async () => {
    const { received, exportTo } = await openDoor(accepted);
    const metadata = new grpc.Metadata();
    metadata.set('grpc-internal-encoding-request', 'gzip');
    const body = Buffer.alloc(50_000, 1);
    await exportTo('traces', body, { metadata });
    expect(received[0]?.body.equals(body)).toBe(true);
  });

  it('answers partial success with count and reason', async () => {
    const { exportTo } = await openDoor({ kind: 'accepted', rejected: 2, message: 'two were bad' });
    expect(decodeExportResponse(await exportTo('logs', Buffer.from('x')))).toEqual({
      rejected: 2,
      errorMessage: 'two were bad',
    });
  });

  it('refuses what cannot be stored now with UNAVAILABLE and RetryInfo', async () => {
    const { exportTo } = await openDoor(refuse('unavailable', 'the queue is away', 1500));
    const error = await failureOf(exportTo('traces', Buffer.from('x')));
    expect(error.code).toBe(grpc.status.UNAVAILABLE);
    expect(error.details).toBe('the queue is away');
    expect(detailsOf(error)).toEqual(['type.googleapis.com/google.rpc.RetryInfo']);
  });

  it('refuses malformed bytes with INVALID_ARGUMENT and BadRequest', async () => {
    const { exportTo } = await openDoor(refuse('malformed', 'not OTLP'));
    const error = await failureOf(exportTo('traces', Buffer.from('x')));
    expect(error.code).toBe(grpc.status.INVALID_ARGUMENT);
    expect(detailsOf(error)).toEqual(['type.googleapis.com/google.rpc.BadRequest']);
  });

  it('refuses a message over the limit, compressed or not, with RESOURCE_EXHAUSTED and no RetryInfo', async () => {
    const { received, exportTo } = await openDoor(accepted);
    const metadata = new grpc.Metadata();
    metadata.set('grpc-internal-encoding-request', 'gzip');
    const tooLarge = Buffer.alloc(MAX_REQUEST_BYTES + 1);
    for (const options of [{}, { metadata }]) {
      const error = await failureOf(exportTo('traces', tooLarge, options));
      expect(error.code).toBe(grpc.status.RESOURCE_EXHAUSTED);
      expect(detailsOf(error)).toEqual([]);
    }
    expect(received).toEqual([]);
    await exportTo('traces', Buffer.from('x'));
    expect(received).toHaveLength(1);
  });

  it('refuses more bytes in flight than the budget with UNAVAILABLE', async () => {
    let finish: (outcome: ExportOutcome) => void = () => {};
    const { received, exportTo } = await openDoor(() => new Promise(resolve => (finish = resolve)), 1000);
    const first = exportTo('traces', Buffer.alloc(900));
    while (received.length === 0) await new Promise(resolve => setTimeout(resolve, 5));
    const error = await failureOf(exportTo('traces', Buffer.alloc(900)));
    expect(error.code).toBe(grpc.status.UNAVAILABLE);
    expect(error.details).toContain('ingest.maxBytesInFlight');
    finish(accepted);
    await first;
  });

  it('answers a bug in the handler with INTERNAL and no details of it', async () => {
    const { exportTo } = await openDoor(() => Promise.reject(new Error('secret')));
    const error = await failureOf(exportTo('traces', Buffer.from('x')));
    expect(error.code).toBe(grpc.status.INTERNAL);
    expect(error.details).toBe('internal error');
  });
});
