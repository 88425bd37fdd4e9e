import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPartition } from '../../src/ingest/partition/partition.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { SIGNALS, type Signal } from '../../src/shared/otlp/signal.ts';
import { protobufOf } from '../support/otlp-records.ts';
import { otlpRequests } from '../support/otlp-requests.ts';

const types = createOtlpTypes();
const partition = createPartition(types);

/** Why a request is refused, or `undefined`. */
function check(signal: Signal, request: Buffer): string | undefined {
  const outcome = partition({ signal, request, shardOf: () => 0 });
  return outcome.kind === 'malformed' ? outcome.reason : undefined;
}

const passes = (signal: Signal, body: Buffer) => check(signal, body) === undefined;

describe.each(SIGNALS)('walking %s', signal => {
  it('every valid request passes', () => {
    fc.assert(
      fc.property(otlpRequests[signal], request => {
        expect(check(signal, protobufOf(signal, request))).toBeUndefined();
      }),
    );
  });

  it('what passes can be decoded, however the bytes were damaged', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(otlpRequests[signal], damage, fc.nat(), (request, bytes, cut) => {
        const body = protobufOf(signal, request);
        for (const [at, byte] of bytes) if (body.length > 0) body[at % body.length] = byte;
        const damaged = cut % 3 === 0 ? body.subarray(0, body.length - (cut % (body.length + 1))) : body;
        if (passes(signal, damaged)) types.request(signal).decode(damaged);
      }),
      // Shrinking a whole request takes long, and nothing else can stop it.
      { numRuns: 1000, interruptAfterTimeLimit: 50_000 },
    );
  });
});

describe('walking', () => {
  const traces = types.request('traces');
  const withName = (name: Buffer) => {
    const body = Buffer.from(
      traces
        .encode({ resourceSpans: [{ scopeSpans: [{ spans: [{ name: 'X'.repeat(name.length) }] }] }] })
        .finish(),
    );
    name.copy(body, body.length - name.length);
    return body;
  };

  it('a string that is not UTF-8 fails, one that is passes', () => {
    expect(passes('traces', withName(Buffer.from('grüße 😀')))).toBe(true);
    expect(passes('traces', withName(Buffer.from([0x61, 0xff, 0x62])))).toBe(false);
    expect(check('traces', withName(Buffer.from([0xc3])))).toContain('string is not UTF-8 at byte 8');
  });

  it.each([
    ['a varint of 10 bytes', Buffer.concat([Buffer.alloc(9, 0xff), Buffer.from([0x01])]), undefined],
    [
      'a varint of 11 bytes',
      Buffer.concat([Buffer.alloc(10, 0xff), Buffer.from([0x01])]),
      'varint longer than 10 bytes',
    ],
    ['a varint that is cut off', Buffer.from([0x01, 0x80]), 'truncated varint'],
  ])('packed bucket counts with %s', (_name, counts, reason) => {
    const wrap = (field: number, content: Buffer) =>
      Buffer.concat([Buffer.from([(field << 3) | 2, content.length]), content]);
    // Buckets.bucket_counts = 2, point.positive = 8, data_points = 1, exponential_histogram = 10, metrics = 2, …
    const body = [2, 8, 1, 10, 2, 2, 1].reduce((content, field) => wrap(field, content), counts);
    const outcome = check('metrics', body);
    if (reason === undefined) expect(outcome).toBeUndefined();
    else expect(outcome).toContain(reason);
    if (outcome === undefined) types.request('metrics').decode(body);
  });

  it('a request that ends in the tag of an attribute fails', () => {
    const wrap = (field: number, content: Buffer) =>
      Buffer.concat([Buffer.from([(field << 3) | 2, content.length]), content]);
    const keyWithoutValue = Buffer.from([0x0a, 1, 0x6b, 0x12]);
    // Span.attributes = 9, ScopeSpans.spans = 2, ResourceSpans.scope_spans = 2, resource_spans = 1
    const body = [9, 2, 2, 1].reduce((content, field) => wrap(field, content), keyWithoutValue);
    expect(check('traces', body)).toContain(`truncated varint at byte ${body.length}`);
  });

  it('attribute values nested beyond the bound fail', () => {
    const nested = (depth: number): object =>
      depth === 0 ? { stringValue: 'x' } : { arrayValue: { values: [nested(depth - 1)] } };
    const bodyOf = (depth: number) =>
      protobufOf('traces', {
        resourceSpans: [{ resource: { attributes: [{ key: 'k', value: nested(depth) }] } }],
      });
    expect(passes('traces', bodyOf(20))).toBe(true);
    const deep = traces.encode(
      traces.fromObject({ resourceSpans: [{ resource: { attributes: [{ key: 'k', value: nested(45) }] } }] }),
    );
    expect(passes('traces', Buffer.from(deep.finish()))).toBe(false);
  });
});
