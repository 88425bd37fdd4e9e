import { randomBytes } from 'node:crypto';
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { admissionOf } from '../support/admission.ts';
import { decodeStatus } from '../support/otlp-answers.ts';
import { MAX_REQUEST_BYTES, openGrpcDoor, openHttpDoor, type TestDoor } from '../support/otlp-door.ts';
import { connectRaw, grpcFrame } from '../support/raw-grpc.ts';
import { snappyBlock, snappyFramed } from '../support/snappy.ts';

let door: TestDoor | undefined;
let closeClient: (() => void) | undefined;
afterEach(async () => {
  closeClient?.();
  closeClient = undefined;
  await door?.stop();
  door = undefined;
});

interface Sent {
  readonly encoding: string;
  readonly body: Buffer;
}

/** Both doors, asked in the same way; the code is that of the `google.rpc.Status`, 0 for success. */
const DOORS = {
  async http({ encoding, body }: Sent, admission = admissionOf()) {
    door = await openHttpDoor({ admission });
    const response = await fetch(`http://127.0.0.1:${door.port}/v1/traces`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/x-protobuf', 'content-encoding': encoding },
    });
    const answer = Buffer.from(await response.arrayBuffer());
    if (response.status === 200) return { code: 0, message: '', http: 200, received: door.received };
    return { ...decodeStatus(answer), http: response.status, received: door.received };
  },
  async grpc({ encoding, body }: Sent, admission = admissionOf()) {
    door = await openGrpcDoor({ admission });
    const client = connectRaw(door.port);
    closeClient = client.close;
    const { trailers } = await client.call({
      headers: { 'grpc-encoding': encoding },
      chunks: [grpcFrame(body, { compressed: true })],
    }).answer;
    return {
      code: Number(trailers['grpc-status']),
      message: decodeURIComponent((trailers['grpc-message'] as string | undefined) ?? ''),
      http: undefined,
      received: door.received,
    };
  },
} as const;

/** zlib-wrapped deflate; snappy of both formats under one name, as Collectors send it. */
const CODECS: readonly [name: string, encoding: string, compress: (data: Buffer) => Buffer][] = [
  ['gzip', 'gzip', data => gzipSync(data)],
  ['deflate', 'deflate', data => deflateSync(data)],
  ['zstd', 'zstd', data => zstdCompressSync(data)],
  ['a snappy block', 'snappy', snappyBlock],
  ['framed snappy', 'snappy', snappyFramed],
  ['x-snappy-framed', 'x-snappy-framed', snappyFramed],
];

const sample = Buffer.concat([randomBytes(40_000), Buffer.alloc(50_000, 'sample')]);

describe.each(['http', 'grpc'] as const)('over %s', transport => {
  const send = DOORS[transport];

  it.each(CODECS)('%s is taken', async (_name, encoding, compress) => {
    const { code, received } = await send({ encoding, body: compress(sample) });
    expect(code).toBe(0);
    expect(received[0]?.body.equals(sample)).toBe(true);
  });

  it.each(CODECS.filter(([name]) => name !== 'deflate' && name !== 'a snappy block'))(
    'every frame of %s is taken',
    async (_name, encoding, compress) => {
      const half = sample.subarray(0, 30_000);
      const { received } = await send({ encoding, body: Buffer.concat([compress(half), compress(half)]) });
      expect(received[0]?.body.equals(Buffer.concat([half, half]))).toBe(true);
    },
  );

  it.each(CODECS)('bytes after the end of %s are refused, not dropped', async (_name, encoding, compress) => {
    const body = Buffer.concat([compress(sample), Buffer.from('trailing bytes')]);
    const { code, http, received } = await send({ encoding, body });
    expect(code).toBe(3);
    if (transport === 'http') expect(http).toBe(400);
    expect(received).toEqual([]);
  });

  it.each(CODECS)('%s that is cut off is refused', async (_name, encoding, compress) => {
    const { code, received } = await send({ encoding, body: compress(sample).subarray(0, -5) });
    expect(code).toBe(3);
    expect(received).toEqual([]);
  });

  it.each(['gzip', 'deflate', 'zstd', 'snappy', 'x-snappy-framed'])(
    'bytes that are not %s are refused',
    async encoding => {
      const { code, message } = await send({ encoding, body: Buffer.from('\xffnot compressed', 'latin1') });
      expect(code).toBe(3);
      expect(message).toContain(encoding);
    },
  );

  it.each(CODECS)('a bomb of %s is refused as too large, for good', async (_name, encoding, compress) => {
    const bomb = compress(Buffer.alloc(500_000));
    expect(bomb.length).toBeLessThan(MAX_REQUEST_BYTES);
    const { code, http, message, received } = await send({ encoding, body: bomb });
    expect(code).toBe(8);
    if (transport === 'http') expect(http).toBe(413);
    expect(message).toContain('ingest.maxRequestBytes');
    expect(received).toEqual([]);
  });

  it.each(CODECS)(
    '%s that grows over the memory left is refused for now',
    async (_name, encoding, compress) => {
      const admission = admissionOf({ bytes: 60_000 });
      const { code, message } = await send({ encoding, body: compress(Buffer.alloc(90_000)) }, admission);
      expect(code).toBe(14);
      expect(message).toContain('ingest.maxBytesInFlight');
      await expect.poll(() => admission.bytes()).toBe(0);
    },
  );

  it('a body of thousands of empty frames is refused', async () => {
    const frame = zstdCompressSync(Buffer.alloc(0));
    const body = Buffer.concat(Array.from({ length: 5000 }, () => frame));
    const { code, message } = await send({ encoding: 'zstd', body });
    expect(code).toBe(3);
    expect(message).toContain('frames');
  });

  it('an unknown encoding is refused, naming those that are taken', async () => {
    const { code, http, message } = await send({ encoding: 'br', body: Buffer.from('x') });
    expect(code).toBe(12);
    if (transport === 'http') expect(http).toBe(415);
    expect(message).toContain('identity, gzip, deflate, zstd, snappy, x-snappy-framed');
  });
});

it('a gzip bomb of 600 MB is refused without the memory it would fill', async () => {
  const zeros = Buffer.alloc(20_000_000);
  const bomb = gzipSync(Buffer.concat([zeros, zeros, zeros]));
  const tenfold = Buffer.concat(Array.from({ length: 10 }, () => bomb));
  door = await openHttpDoor({ maxRequestBytes: 1_000_000, admission: admissionOf({ bytes: 2_000_000 }) });
  global.gc?.();
  const before = process.memoryUsage().rss;
  const response = await fetch(`http://127.0.0.1:${door.port}/v1/traces`, {
    method: 'POST',
    body: tenfold,
    headers: { 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' },
  });
  expect(response.status).toBe(413);
  expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
});
