import { describe, expect, it } from 'vitest';
import { delivered, outcomeOfAnswer, outcomeOfError } from '../../../../src/ingest/delivery/outcome.ts';
import { exportResponse } from '../../../../src/shared/otlp/responses.ts';
import { SIGNALS, type Signal } from '../../../../src/shared/otlp/signal.ts';

const nowMs = Date.UTC(2026, 0, 1);

const answer = (status: number, text = '', retryAfter?: string) =>
  outcomeOfAnswer({ status, retryAfter, body: Buffer.from(text) }, nowMs);

describe("a shard's answer", () => {
  it.each([200, 202, 204])('%i is delivered', status => {
    expect(answer(status)).toEqual({ kind: 'delivered' });
  });

  it.each([400, 413, 422])('%i refuses the bytes for good', status => {
    expect(answer(status, 'bad span')).toEqual({ kind: 'reject', reason: `HTTP ${status}: bad span` });
  });

  it.each([302, 429, 500, 501, 502, 503, 504, 507])('%i is a reason to retry', status => {
    expect(answer(status)).toEqual({ kind: 'retry', reason: `HTTP ${status}` });
  });

  it.each([401, 403, 404, 405, 408, 415])(
    '%i is about the address or the credentials, not the records',
    status => {
      expect(answer(status).kind).toBe('retry');
    },
  );

  it('may ask for a pause in seconds', () => {
    expect(answer(503, '', '7')).toMatchObject({ kind: 'retry', afterMs: 7000 });
  });

  it('may ask for a pause until a time, which may have passed', () => {
    expect(answer(503, '', 'Thu, 01 Jan 2026 00:00:30 GMT')).toMatchObject({ afterMs: 30_000 });
    expect(answer(503, '', 'Thu, 01 Jan 2015 00:00:30 GMT')).toMatchObject({ afterMs: 0 });
  });

  it.each(['soon', '-3', '1e9', ''])('a Retry-After of %j asks for nothing', header => {
    expect(answer(503, '', header)).toEqual({ kind: 'retry', reason: 'HTTP 503' });
  });
});

describe('an OK with a message', () => {
  const partial = (rejected: number, message: string, signal: Signal = 'traces') =>
    exportResponse(signal, { kind: 'accepted', rejected, message }, 'protobuf');

  it.each(SIGNALS)('tells how many %s were refused for good, and why in readable words', signal => {
    expect(delivered(partial(300, '300 × no\n\u0007id', signal))).toEqual({
      kind: 'delivered',
      refused: { records: 300, message: '300 × no id' },
    });
    expect(delivered(partial(1, 'x'.repeat(9000))).refused?.message.length).toBe(500);
  });

  it.each([
    ['is empty', Buffer.alloc(0)],
    ['is a warning', partial(0, 'deprecated')],
    ['cannot be read', Buffer.from('{"partialSuccess":{"rejectedSpans":"1"}}')],
    ['breaks off', partial(3, 'bad').subarray(0, 5)],
  ])('that %s is delivered, no more', (_, message) => {
    expect(delivered(message)).toEqual({ kind: 'delivered' });
  });
});

describe('no answer', () => {
  it('is a reason to retry that names the error', () => {
    const error = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:9'), { code: 'ECONNREFUSED' });
    expect(outcomeOfError(error)).toEqual({
      kind: 'retry',
      reason: 'ECONNREFUSED: connect ECONNREFUSED 127.0.0.1:9',
    });
    expect(outcomeOfError('odd')).toEqual({ kind: 'retry', reason: 'odd' });
  });
});
