import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeStatus } from '../support/otlp-answers.ts';
import { get } from '../support/read-api.ts';
import { type System, startUp, temporaryFolder } from '../support/systems.ts';

let system: System;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  system = await startUp(folder.path);
});
afterAll(async () => {
  await system?.stop();
  await folder.remove();
});

const PROTOBUF = 'application/x-protobuf';
const post = (body: Buffer | string, headers: Record<string, string>) =>
  fetch(`${system.http}/v1/traces`, { method: 'POST', body, headers });

describe('bad input to a running system', () => {
  it('malformed protobuf: 400 with a Status in protobuf', async () => {
    const response = await post('this is not protobuf', { 'content-type': PROTOBUF });
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe(PROTOBUF);
    expect(decodeStatus(await response.arrayBuffer())).toMatchObject({
      code: 3,
      details: ['type.googleapis.com/google.rpc.BadRequest'],
    });
  });

  it('malformed JSON: 400 with a Status in JSON', async () => {
    const response = await post('{"resourceSpans": [', { 'content-type': 'application/json' });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: 3,
      message: expect.stringContaining('JSON') as string,
    });
  });

  it('a wrong content type: 415 with a Status', async () => {
    const response = await post('{}', { 'content-type': 'text/plain' });
    expect(response.status).toBe(415);
    expect(await response.json()).toMatchObject({ code: 3 });
  });

  it('a body over 64 MiB: 413 with a Status', async () => {
    const response = await post(Buffer.alloc(64 * 1024 * 1024 + 1), { 'content-type': PROTOBUF });
    expect(response.status).toBe(413);
    expect(decodeStatus(await response.arrayBuffer())).toMatchObject({ code: 8 });
  });

  it('a gzip bomb: 413 with a Status', async () => {
    const bomb = gzipSync(Buffer.alloc(300 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(400_000);
    const response = await post(bomb, { 'content-type': PROTOBUF, 'content-encoding': 'gzip' });
    expect(response.status).toBe(413);
    expect(decodeStatus(await response.arrayBuffer())).toMatchObject({ code: 8 });
  });

  it('and the process lives: the next good export is stored', async () => {
    const span = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), name: 'still here' };
    const response = await post(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }), {
      'content-type': 'application/json',
    });
    expect(response.status).toBe(200);
    for (;;) {
      const { status, body } = await get(system.api, `traces/${span.traceId}`);
      if (status === 404) continue;
      expect(body).toMatchObject({ span_count: 1, spans: [{ operation: 'still here', service: 'unknown' }] });
      break;
    }
  });
});
