import { gzipSync } from 'node:zlib';
import grpc from '@grpc/grpc-js';
import { afterEach, expect, it } from 'vitest';
import { refuse } from '../../src/shared/otlp/door.ts';
import { decodeStatus, isRetryableGrpcStatus, isRetryableHttpStatus } from '../support/otlp-answers.ts';
import { openGrpcDoor, openHttpDoor, type TestDoor, type TestDoorOptions } from '../support/otlp-door.ts';
import { TRACE_EXPORT } from '../support/raw-grpc.ts';

/*
 * Defects of the system whose read API we speak, each named as its description names it, and what we owe instead.
 */

let doors: TestDoor[] = [];
let client: grpc.Client | undefined;
afterEach(async () => {
  client?.close();
  await Promise.all(doors.map(door => door.stop()));
  doors = [];
});

const raw = (bytes: Buffer) => bytes;

async function openDoors(options: TestDoorOptions) {
  const http = await openHttpDoor(options);
  const rpc = await openGrpcDoor(options);
  doors = [http, rpc];
  const connected = new grpc.Client(`127.0.0.1:${rpc.port}`, grpc.credentials.createInsecure());
  client = connected;
  const overHttp = (body: Buffer, headers: Record<string, string> = {}) =>
    fetch(`http://127.0.0.1:${http.port}/v1/traces`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/x-protobuf', ...headers },
    });
  const overGrpc = (body: Buffer, metadata = new grpc.Metadata()) =>
    new Promise<Partial<grpc.ServiceError> | undefined>(resolve => {
      connected.makeUnaryRequest(TRACE_EXPORT, raw, raw, body, metadata, error =>
        resolve(error ?? undefined),
      );
    });
  return { http, rpc, overHttp, overGrpc };
}

it('D7: OTLP that is gzipped or larger than 4 MiB is taken, over HTTP and gRPC', async () => {
  const { http, rpc, overHttp, overGrpc } = await openDoors({ maxRequestBytes: 64 * 1024 * 1024 });
  const body = Buffer.alloc(9 * 1024 * 1024, 'a span and another ');
  const gzipped = new grpc.Metadata();
  gzipped.set('grpc-internal-encoding-request', 'gzip');
  expect((await overHttp(body)).status).toBe(200);
  expect((await overHttp(gzipSync(body), { 'content-encoding': 'gzip' })).status).toBe(200);
  expect(await overGrpc(body)).toBeUndefined();
  expect(await overGrpc(body, gzipped)).toBeUndefined();
  for (const { received } of [http, rpc])
    expect(received.map(request => request.body.equals(body))).toEqual([true, true]);
});

it('D8: what cannot be stored now is 503 and UNAVAILABLE, so that no sender drops it', async () => {
  const { overHttp, overGrpc } = await openDoors({ outcome: refuse('unavailable', 'the disk is full') });
  const response = await overHttp(Buffer.from('x'));
  expect(response.status).toBe(503);
  expect(isRetryableHttpStatus(response.status)).toBe(true);
  expect(decodeStatus(await response.arrayBuffer())).toMatchObject({ code: 14, message: 'the disk is full' });
  const error = await overGrpc(Buffer.from('x'));
  expect(error).toMatchObject({ code: grpc.status.UNAVAILABLE, details: 'the disk is full' });
  expect(isRetryableGrpcStatus(error?.code as number, false)).toBe(true);
});
