import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { createPartition } from '../../../src/ingest/partition/partition.ts';
import { createOtlpTypes } from '../../../src/shared/otlp/messages.ts';

const types = createOtlpTypes();
const partition = createPartition(types);
const traces = types.request('traces');
const ID = Buffer.from('0af7651916cd43dd8448eb211c80319c', 'hex');
const SPAN_ID = Buffer.from('b7ad6b7169203331', 'hex');

const request = (...spans: object[]) =>
  Buffer.from(traces.encode({ resourceSpans: [{ scopeSpans: [{ spans }] }] }).finish());
const split = (body: Buffer) => partition({ signal: 'traces', request: body, shardOf: () => 0 });

/** `field` as a length-delimited field around `content`. */
function field(number: number, ...content: Uint8Array[]): Buffer {
  return Buffer.from(
    protobuf.Writer.create()
      .uint32((number << 3) | 2)
      .bytes(Buffer.concat(content))
      .finish(),
  );
}

describe('records that no store can keep', () => {
  it.each([
    ['a trace_id of 8 bytes', { traceId: SPAN_ID, spanId: SPAN_ID }, 'trace_id'],
    ['a trace_id of zeros', { traceId: Buffer.alloc(16), spanId: SPAN_ID }, 'trace_id'],
    ['no trace_id', { spanId: SPAN_ID }, 'trace_id'],
    ['a span_id of 16 bytes', { traceId: ID, spanId: ID }, 'span_id'],
    ['a span_id of zeros', { traceId: ID, spanId: Buffer.alloc(8) }, 'span_id'],
  ])('a span with %s is rejected, counted and explained; the others are kept', (_name, bad, reason) => {
    const good = { traceId: ID, spanId: SPAN_ID, name: 'good' };
    expect(split(request(bad, good, bad))).toMatchObject({
      kind: 'partitioned',
      slices: [{ shard: 0, records: 1, bytes: request(good) }],
      rejected: 2,
      rejectedBecause: expect.stringMatching(`^2 × ${reason}`) as string,
    });
  });

  it('a log record with an invalid trace_id belongs to no trace and is kept with its service', () => {
    const logs = types.request('logs');
    const body = Buffer.from(
      logs
        .encode({
          resourceLogs: [
            {
              resource: { attributes: [{ key: 'service.name', value: { stringValue: 'cart' } }] },
              scopeLogs: [{ logRecords: [{ traceId: SPAN_ID }, { traceId: Buffer.alloc(16) }, {}] }],
            },
          ],
        })
        .finish(),
    );
    const keys: string[] = [];
    const outcome = partition({
      signal: 'logs',
      request: body,
      shardOf: key => {
        keys.push(Buffer.from(key).toString());
        return 0;
      },
    });
    expect(outcome).toMatchObject({ kind: 'partitioned', rejected: 0, slices: [{ records: 3 }] });
    expect(new Set(keys)).toEqual(new Set(['cart']));
  });

  it('metric slices count data points, which is what partial success counts', () => {
    const metrics = types.request('metrics');
    const dataPoints = [{}, {}, {}];
    const body = Buffer.from(
      metrics
        .encode({
          resourceMetrics: [
            {
              scopeMetrics: [
                {
                  metrics: [
                    { name: 'a', gauge: { dataPoints } },
                    { name: 'b', summary: { dataPoints: [{}] } },
                  ],
                },
              ],
            },
          ],
        })
        .finish(),
    );
    expect(partition({ signal: 'metrics', request: body, shardOf: () => 0 })).toMatchObject({
      slices: [{ records: 4, bytes: body }],
    });
  });
});

describe('the wire form', () => {
  const span = Buffer.concat([field(1, ID), field(2, SPAN_ID)]);

  it('fields that this version does not know survive on every level', () => {
    const unknownSpan = Buffer.concat([span, field(99, Buffer.from('span'))]);
    const unknownScope = Buffer.concat([field(98, Buffer.from('scope')), field(2, unknownSpan)]);
    const unknownGroup = Buffer.concat([field(97, Buffer.from('group')), field(2, unknownScope)]);
    const body = Buffer.concat([field(96, Buffer.from('request')), field(1, unknownGroup)]);
    expect(split(body)).toMatchObject({ slices: [{ bytes: body, records: 1 }] });
  });

  it('a resource after its scopes and a trace_id after the attributes are found', () => {
    const late = Buffer.concat([field(9, field(1, Buffer.from('k'))), field(2, SPAN_ID), field(1, ID)]);
    const group = Buffer.concat([field(2, field(2, late)), field(1, Buffer.alloc(0))]);
    const outcome = split(field(1, group));
    expect(outcome).toMatchObject({ kind: 'partitioned', slices: [{ records: 1 }] });
  });

  it('groups, the retired wire type, are carried as unknown fields', () => {
    const groupField = Buffer.from([(15 << 3) | 3, (1 << 3) | 0, 7, (15 << 3) | 4]);
    const body = field(1, field(2, field(2, Buffer.concat([span, groupField]))));
    expect(split(body)).toMatchObject({ slices: [{ bytes: body, records: 1 }] });
  });

  it.each([
    [
      'a field longer than its message',
      Buffer.from([0x0a, 0x05, 0x00]),
      'field is longer than its message at byte 2',
    ],
    ['a truncated varint', Buffer.from([0x0a, 0xff]), 'truncated varint at byte 1'],
    [
      'an overlong varint',
      Buffer.concat([Buffer.from([0x08]), Buffer.alloc(11, 0x80)]),
      'varint longer than 10 bytes at byte 1',
    ],
    ['field number 0', Buffer.from([0x02, 0x00]), 'invalid field tag at byte 0'],
    [
      'a tag of 6 bytes',
      Buffer.from([0x9a, 0x86, 0x80, 0x80, 0x80, 0x00, 0x00]),
      'invalid field tag at byte 0',
    ],
    [
      'a length of 6 bytes',
      Buffer.from([0x0a, 0x82, 0x80, 0x80, 0x80, 0x80, 0x00, 0x12, 0x00]),
      'length longer than 5 bytes at byte 1',
    ],
    ['wire type 7', Buffer.from([0x0f]), 'invalid wire type 7 at byte 0'],
    [
      'a group that ends as another field',
      Buffer.from([0x0b, 0x14]),
      'group ended by another field at byte 1',
    ],
    ['an error inside a span', field(1, field(2, field(2, Buffer.from([0x0a, 0x7f])))), 'at byte 8'],
  ])('%s is malformed, with the offset', (_name, body, reason) => {
    const outcome = split(body);
    expect(outcome.kind === 'malformed' ? outcome.reason : outcome).toContain(reason);
  });

  it('nesting of groups is bounded', () => {
    expect(split(Buffer.alloc(100_000, 0x0b)).kind).toBe('malformed');
  });
});
