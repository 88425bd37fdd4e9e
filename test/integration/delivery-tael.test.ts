import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import grpc from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createShardSender } from '../../src/ingest/delivery/shard-sender.ts';
import type { Batch } from '../../src/ingest/queue/batch.ts';
import { rpcStatus } from '../../src/shared/otlp/responses.ts';
import type { Signal } from '../../src/shared/otlp/signal.ts';
import { systemClock } from '../../src/shared/time.ts';
import { newBatch } from '../conformance/new-batch.ts';
import { type Harness, startHarness } from '../support/delivery-harness.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { logsOf, metricsOf, tracesOf } from '../support/otlp-samples.ts';
import { startStubTael, type TaelExport } from '../support/stub-tael.ts';
import { otlpBytes, startTestShard } from '../support/test-shard.ts';

const never = new AbortController().signal;

function batchOf(signal: Signal, json: Json, records = 1): Batch {
  const payload = otlpBytes(signal, json);
  return newBatch('s0', {
    signal,
    records,
    payload,
    slices: [{ exportId: 'a'.repeat(32), sizeBytes: payload.length }],
  });
}

const span = (name: string, index: number) => ({ trace: 1, span: index, name });
const point = (value: number | string) => ({ timeUnixNano: '1000', asDouble: value });
const gauge = (name: string, values: readonly (number | string)[]) => ({
  name,
  gauge: { dataPoints: values.map(point) },
});

/** Values of the points that arrived, by the names of their metrics. */
function valuesIn(exports: readonly TaelExport[]): [string, unknown][] {
  const list = (parent: Json, name: string) => (parent[name] ?? []) as Json[];
  return exports.flatMap(({ request }) =>
    list(request, 'resourceMetrics').flatMap(group =>
      list(group, 'scopeMetrics').flatMap(scope =>
        list(scope, 'metrics').flatMap(({ name, ...data }) =>
          Object.values(data).flatMap(kind =>
            list(kind as Json, 'dataPoints').map((one): [string, unknown] => [
              name as string,
              one.asDouble ?? one.sum ?? one.asInt,
            ]),
          ),
        ),
      ),
    ),
  );
}

describe('a shard of kind tael', () => {
  let harness: Harness;

  beforeEach(async () => {
    harness = await startHarness();
  });
  afterEach(() => harness.stop());

  const startTael = async () => harness.use(await startStubTael());
  const senderTo = (baseUrl: string, timeoutMs = 2000) =>
    harness.use(createShardSender({ shard: 's0', kind: 'tael', baseUrl, timeoutMs, clock: systemClock }));

  it('G4: gets what is written over OTLP, all three signals', async () => {
    const tael = await startTael();
    await harness.enqueue([
      batchOf('traces', tracesOf('shop', [span('pay', 1)])),
      batchOf('logs', logsOf('shop', [{ body: { stringValue: 'paid' } }])),
      batchOf('metrics', metricsOf('shop', [gauge('till', [3])])),
    ]);
    harness.lane(senderTo(tael.url).send);
    await harness.statsWhen({ batches: 0, delivered: { traces: 1, logs: 1, metrics: 1 } });
    expect(tael.exports.map(({ signal }) => signal).toSorted()).toEqual(['logs', 'metrics', 'traces']);
    for (const name of ['pay', 'paid', 'till']) expect(JSON.stringify(tael.exports)).toContain(`"${name}"`);
  });

  it('is sent messages uncompressed, with the bytes as they are', async () => {
    const bodies: Buffer[] = [];
    const encodings: unknown[] = [];
    const server = createServer();
    server.on('stream', async (stream, headers) => {
      encodings.push(headers['grpc-encoding']);
      bodies.push(Buffer.concat(await stream.toArray()));
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.alloc(5));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const batch = batchOf('traces', tracesOf('shop', [span('x'.repeat(5000), 1)]));
    const sender = senderTo(`grpc://127.0.0.1:${(server.address() as AddressInfo).port}`);
    expect(await sender.send(batch, never)).toEqual({ kind: 'delivered' });
    expect(bodies.map(body => [body[0], body.readUInt32BE(1), body.subarray(5)])).toEqual([
      [0, batch.payload.length, batch.payload],
    ]);
    expect([undefined, 'identity']).toContain(encodings[0]);
    await sender.stop();
    server.close();
  });

  it('has a batch of which it refuses records, and what it says of them is known', async () => {
    const tael = await startTael();
    tael.refuseRecords(1, 'span without a name');
    const batch = batchOf('traces', tracesOf('shop', [span('pay', 1), span('', 2)]));
    expect(await senderTo(tael.url).send(batch, never)).toEqual({
      kind: 'delivered',
      refused: { records: 1, message: 'span without a name' },
    });
  });

  it('D8: is tried again when it says INTERNAL because it could not store', async () => {
    const tael = await startTael();
    tael.fail({ code: grpc.status.INTERNAL, details: 'storage error: disk full' });
    await harness.enqueue([batchOf('traces', tracesOf('shop', [span('pay', 1)]))]);
    const lane = harness.lane(senderTo(tael.url).send);
    await expect.poll(() => tael.calls()).toBeGreaterThan(2);
    expect(lane.state().lastFailure?.reason).toBe('gRPC INTERNAL: storage error: disk full');
    expect(await harness.queue.stats('s0')).toMatchObject({ batches: 1, deadBatches: 0 });
    tael.fail();
    await harness.statsWhen({ batches: 0, deadBatches: 0, delivered: { traces: 1 } });
  });

  it('D1: never gets a value that is not finite; such points are dead letters that say so', async () => {
    const tael = await startTael();
    const batch = batchOf(
      'metrics',
      metricsOf('shop', [
        gauge('ratio', [1, 'NaN', 2, 'Infinity']),
        { name: 'total', sum: { dataPoints: [point('-Infinity'), { asInt: '7' }] } },
        { name: 'latency', histogram: { dataPoints: [{ sum: 5 }, { sum: 'NaN' }, {}] } },
        {
          name: 'wide',
          exponentialHistogram: { dataPoints: [{ sum: 'Infinity' }, { sum: 6, max: 'Infinity' }] },
        },
        { name: 'old', summary: { dataPoints: [{ sum: 'NaN' }] } },
      ]),
      12,
    );
    const { length } = batch.payload;
    const two = newBatch('s0', {
      ...batch,
      records: 24,
      payload: Buffer.concat([batch.payload, batch.payload]),
      slices: [...batch.slices, { exportId: 'b'.repeat(32), sizeBytes: length }],
    });
    await harness.enqueue([two]);
    harness.lane(senderTo(tael.url).send);
    await harness.statsWhen({
      batches: 0,
      deadBatches: 1,
      delivered: { metrics: 12 },
      deadLettered: { metrics: 12 },
    });
    const finite = [
      ['ratio', 1],
      ['ratio', 2],
      ['total', '7'],
      ['latency', 5],
      ['latency', undefined],
      ['wide', 6],
    ];
    expect(valuesIn(tael.exports)).toEqual([...finite, ...finite]);
    expect(tael.calls()).toBe(1);
    expect(await harness.deadLetters()).toMatchObject([
      { id: `${two.id}.bad`, records: 12, reason: expect.stringMatching(/NaN or infinite.*tael-server/) },
    ]);
  });

  it('D1: an embedded shard gets such values', async () => {
    const shard = await startTestShard({ clock: { now: Date.now } });
    harness.use({ stop: () => shard.remove() });
    await harness.enqueue([
      batchOf('metrics', metricsOf('shop', [gauge('ratio', [1, 'NaN', 'Infinity'])]), 3),
    ]);
    const sender = harness.use(
      createShardSender({
        shard: 's0',
        kind: 'embedded',
        baseUrl: shard.otlpUrl,
        timeoutMs: 5000,
        clock: systemClock,
      }),
    );
    harness.lane(sender.send);
    await harness.statsWhen({ batches: 0, deadBatches: 0, delivered: { metrics: 3 } });
  });

  it('gets a batch of 4 MiB and more in parts below that, and not a record that is too large', async () => {
    const tael = await startTael();
    const spans = Array.from({ length: 12 }, (_, index) => span('x'.repeat(900_000), index));
    const huge = span('y'.repeat(4 * 1024 ** 2), 99);
    await harness.enqueue([batchOf('traces', tracesOf('shop', [...spans, huge]), 13)]);
    harness.lane(senderTo(tael.url).send);
    await harness.statsWhen({ batches: 0, delivered: { traces: 12 }, deadLettered: { traces: 1 } });
    expect(Math.max(...tael.exports.map(({ sizeBytes }) => sizeBytes))).toBeLessThan(4 * 1024 ** 2);
    expect(tael.calls()).toBe(tael.exports.length);
    expect(await harness.deadLetters()).toMatchObject([
      { records: 1, reason: expect.stringMatching(/too large: a tael-server takes less than 4194304/) },
    ]);
  });

  it.each([
    [grpc.status.INVALID_ARGUMENT, 'bad span', 'reject'],
    [grpc.status.OUT_OF_RANGE, 'too large', 'reject'],
    [grpc.status.RESOURCE_EXHAUSTED, 'Received message larger than max (5 vs. 4)', 'reject'],
    [grpc.status.INTERNAL, 'failed to decode Protobuf message: invalid tag', 'reject'],
    [grpc.status.INTERNAL, 'storage error: no space', 'retry'],
    [grpc.status.RESOURCE_EXHAUSTED, 'slow down', 'retry'],
    [grpc.status.UNAVAILABLE, '', 'retry'],
    [grpc.status.DEADLINE_EXCEEDED, '', 'retry'],
    [grpc.status.ABORTED, '', 'retry'],
    [grpc.status.CANCELLED, '', 'retry'],
    [grpc.status.DATA_LOSS, '', 'retry'],
    [grpc.status.UNKNOWN, '', 'retry'],
    [grpc.status.UNIMPLEMENTED, 'no such service', 'retry'],
    [grpc.status.UNAUTHENTICATED, '', 'retry'],
    [grpc.status.PERMISSION_DENIED, '', 'retry'],
    [grpc.status.NOT_FOUND, '', 'retry'],
    [grpc.status.FAILED_PRECONDITION, '', 'retry'],
  ])('that answers %i %j: %s', async (code, details, kind) => {
    const tael = await startTael();
    tael.fail({ code, details });
    const outcome = await senderTo(tael.url).send(batchOf('traces', tracesOf('shop', [])), never);
    expect(outcome).toMatchObject({ kind, reason: expect.stringContaining(grpc.status[code]) });
  });

  it('may ask for a pause with RetryInfo', async () => {
    const tael = await startTael();
    const metadata = new grpc.Metadata();
    const refusal = {
      kind: 'refused',
      condition: 'unavailable',
      message: 'busy',
      retryAfterMs: 2500,
    } as const;
    metadata.set('grpc-status-details-bin', rpcStatus(refusal, 'protobuf'));
    tael.fail({ code: grpc.status.UNAVAILABLE, details: 'busy', metadata });
    expect(await senderTo(tael.url).send(batchOf('traces', tracesOf('shop', [])), never)).toEqual({
      kind: 'retry',
      reason: 'gRPC UNAVAILABLE: busy',
      afterMs: 2500,
    });
  });

  it('that does not answer in time, is given up or is not there is tried again', async () => {
    const server = createServer(() => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `grpc://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const batch = batchOf('traces', tracesOf('shop', []));
    const sender = senderTo(url, 150);
    expect(await sender.send(batch, never)).toMatchObject({
      kind: 'retry',
      reason: expect.stringMatching(/^gRPC DEADLINE_EXCEEDED/),
    });
    const giveUp = new AbortController();
    const sending = senderTo(url, 60_000).send(batch, giveUp.signal);
    giveUp.abort();
    expect(await sending).toMatchObject({ kind: 'retry', reason: expect.stringMatching(/^gRPC CANCELLED/) });
    server.close();
    expect(await senderTo('grpc://127.0.0.1:1').send(batch, never)).toMatchObject({
      kind: 'retry',
      reason: expect.stringMatching(/^gRPC UNAVAILABLE/),
    });
  });
});
