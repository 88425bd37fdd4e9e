import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { ExportOutcome } from '../../src/shared/otlp/door.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { decodeExportResponse } from '../support/otlp-answers.ts';
import {
  heldOutcomes,
  MAX_REQUEST_BYTES,
  openHttpDoor,
  type TestDoor,
  type TestDoorOptions,
} from '../support/otlp-door.ts';

const types = createOtlpTypes();

let door: TestDoor | undefined;
afterEach(async () => {
  await door?.stop();
  door = undefined;
});

async function openDoor(options: TestDoorOptions = {}) {
  door = await openHttpDoor(options);
  const base = `http://127.0.0.1:${door.port}`;
  const post = (path: string, body: Buffer | string, headers: Record<string, string>) =>
    fetch(base + path, { method: 'POST', body, headers });
  return { base, received: door.received, answered: door.answered, post };
}

const PROTOBUF = { 'content-type': 'application/x-protobuf' };
const JSON_TYPE = { 'content-type': 'application/json' };

const traces = types.request('traces');
const sample = {
  resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: '0AF7651916cd43dd8448eb211c80319c', name: 'a' }] }] }],
};
const sampleBytes = Buffer.from(
  traces
    .encode({
      resourceSpans: [
        {
          scopeSpans: [
            { spans: [{ name: 'a', traceId: Buffer.from('0af7651916cd43dd8448eb211c80319c', 'hex') }] },
          ],
        },
      ],
    })
    .finish(),
);

describe('the OTLP/HTTP door takes', () => {
  it('protobuf, and answers an empty ExportTraceServiceResponse in protobuf', async () => {
    const { post, received } = await openDoor();
    const response = await post('/v1/traces', sampleBytes, PROTOBUF);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/x-protobuf');
    expect((await response.arrayBuffer()).byteLength).toBe(0);
    expect(received[0]?.body.equals(sampleBytes)).toBe(true);
  });

  it('JSON with media type parameters, as the same protobuf bytes, and answers {} in JSON', async () => {
    const { post, received } = await openDoor();
    const response = await post('/v1/traces', JSON.stringify(sample), {
      'content-type': 'Application/JSON; charset=utf-8',
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.text()).toBe('{}');
    expect(received[0]?.body.equals(sampleBytes)).toBe(true);
  });

  it('an empty request', async () => {
    const { post } = await openDoor();
    expect((await post('/v1/logs', '', PROTOBUF)).status).toBe(200);
    expect((await post('/v1/logs', '{}', JSON_TYPE)).status).toBe(200);
  });

  it.each(['/v1/traces', '/v1/logs', '/v1/metrics'])('%s as its signal', async path => {
    const { post, received } = await openDoor();
    await post(path, '', PROTOBUF);
    expect(`/v1/${received[0]?.signal}`).toBe(path);
  });
});

describe('the OTLP/HTTP door answers partial success', () => {
  const outcome = { kind: 'accepted', rejected: 3, message: 'three were bad' } as const;

  it('in protobuf with the count and the reason', async () => {
    const { post } = await openDoor({ outcome });
    const response = await post('/v1/traces', sampleBytes, PROTOBUF);
    expect(response.status).toBe(200);
    expect(decodeExportResponse(await response.arrayBuffer())).toEqual({
      rejected: 3,
      errorMessage: 'three were bad',
    });
  });

  it('in JSON under the name of the signal', async () => {
    const { post } = await openDoor({ outcome });
    const response = await post('/v1/metrics', '{}', JSON_TYPE);
    expect(await response.json()).toEqual({
      partialSuccess: { rejectedDataPoints: '3', errorMessage: 'three were bad' },
    });
  });

  it('for a warning, such as snake_case members', async () => {
    const { post, received } = await openDoor();
    const response = await post('/v1/traces', JSON.stringify({ resource_spans: [] }), JSON_TYPE);
    expect(response.status).toBe(200);
    expect(received[0]?.warnings).toEqual([
      'OTLP/JSON member names are lowerCamelCase; snake_case was accepted',
    ]);
  });
});

describe('the OTLP/HTTP door refuses', () => {
  it('a chunked body that grows over the limit with 413', async () => {
    const { base } = await openDoor();
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let i = 0; i < 11; i++) controller.enqueue(new Uint8Array(10_000));
        controller.close();
      },
    });
    const response = await fetch(`${base}/v1/traces`, {
      method: 'POST',
      headers: PROTOBUF,
      body: stream,
      duplex: 'half',
    });
    expect(response.status).toBe(413);
  });

  it('JSON that is over the limit once it is protobuf with 413', async () => {
    const { post, received } = await openDoor();
    const point = { explicitBounds: Array.from({ length: MAX_REQUEST_BYTES / 4 }, () => 0) };
    const metric = { histogram: { dataPoints: [point] } };
    const json = JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics: [metric] }] }] });
    expect(json.length).toBeLessThan(MAX_REQUEST_BYTES);
    expect((await post('/v1/metrics', json, JSON_TYPE)).status).toBe(413);
    expect(received).toEqual([]);
  });

  it('malformed JSON with 400 and a BadRequest that names the member', async () => {
    const { post } = await openDoor();
    const response = await post(
      '/v1/traces',
      JSON.stringify({ resourceSpans: [{ scopeSpans: 'x' }] }),
      JSON_TYPE,
    );
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      code: 3,
      message: 'invalid OTLP/JSON: resourceSpans[0].scopeSpans: expected an array, got "x"',
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.BadRequest',
          fieldViolations: [
            { description: 'invalid OTLP/JSON: resourceSpans[0].scopeSpans: expected an array, got "x"' },
          ],
        },
      ],
    });
  });
});

it.each(['http://otelfan.test/v1/traces', 'HTTPS://otelfan.test:4318/v1/traces?a=b', '/v1/traces?a=b'])(
  'a request for %s is one for its path',
  async target => {
    const { received } = await openDoor();
    const status = await new Promise(resolve => {
      const options = {
        port: door?.port,
        host: '127.0.0.1',
        method: 'POST',
        path: target,
        headers: PROTOBUF,
      };
      httpRequest(options, response => resolve(response.resume().statusCode)).end();
    });
    expect(status).toBe(200);
    expect(received).toHaveLength(1);
  },
);

it('a request that is followed by garbage gets its own answer', async () => {
  const held = heldOutcomes();
  const { received } = await openDoor({ outcome: held.outcome });
  const socket = connect(door?.port as number, '127.0.0.1');
  let answers = '';
  socket.on('data', bytes => (answers += bytes));
  const head =
    'POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 1';
  socket.write(`${head}\r\n\r\nxGARBAGE\r\n\r\n`);
  await expect.poll(() => received.length).toBe(1);
  held.answerNext();
  await expect.poll(() => socket.destroyed).toBe(true);
  expect(answers.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400']);
});

it('stopping the door waits for the answer to a request in hand', async () => {
  let finish: (outcome: ExportOutcome) => void = () => {};
  const { post, received } = await openDoor({ outcome: () => new Promise(resolve => (finish = resolve)) });
  const answer = post('/v1/traces', sampleBytes, PROTOBUF);
  while (received.length === 0) await new Promise(resolve => setTimeout(resolve, 5));
  const stopped = door?.stop();
  finish({ kind: 'accepted', rejected: 0, message: '' });
  expect((await answer).status).toBe(200);
  await stopped;
});
