import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LaneOptions } from '../../src/ingest/delivery/lane.ts';
import { createShardSender } from '../../src/ingest/delivery/shard-sender.ts';
import type { Batch } from '../../src/ingest/queue/batch.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { systemClock } from '../../src/shared/time.ts';
import { newBatch } from '../conformance/new-batch.ts';
import { type Harness, recordingEvents, startHarness } from '../support/delivery-harness.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { tracesOf } from '../support/otlp-samples.ts';
import { type Answers, type Delivery, ok, startStubOtlpShard } from '../support/stub-otlp-shard.ts';
import { otlpBytes, startTestShard } from '../support/test-shard.ts';

const traces = createOtlpTypes().request('traces');

let spans = 0;
/** A request with so many spans of their own; those at `poisoned` are called so. */
function exportOf(count: number, poisoned: readonly number[] = []): Buffer {
  const samples = Array.from({ length: count }, (_, index) => {
    spans += 1;
    return { trace: 1, span: spans, name: poisoned.includes(index) ? 'poison' : 'fine' };
  });
  return otlpBytes('traces', tracesOf('shop', samples));
}

let exports = 0;
function batchOf(requests: readonly Buffer[], exportIds?: readonly string[]): Batch {
  const payload = Buffer.concat(requests);
  return newBatch('s0', {
    payload,
    records: namesIn(payload).length,
    slices: requests.map(({ length }, index) => {
      exports += 1;
      const exportId = exportIds?.[index] ?? exports.toString(16).padStart(32, '0');
      return { exportId, sizeBytes: length };
    }),
  });
}

function namesIn(payload: Buffer): string[] {
  const decoded = traces.toObject(traces.decode(payload), { bytes: String }) as {
    resourceSpans?: { scopeSpans: { spans: { name: string; spanId: string }[] }[] }[];
  };
  return (decoded.resourceSpans ?? []).flatMap(group =>
    group.scopeSpans.flatMap(scope => scope.spans.map(span => `${span.name} ${span.spanId}`)),
  );
}

/** Refuses what holds a poisoned span, and remembers spans of batch ids that it did not know. */
function poisonable() {
  const stored: string[] = [];
  const known = new Set<string>();
  const answer = ({ headers, body }: Delivery) => {
    const names = namesIn(body);
    if (names.some(name => name.startsWith('poison'))) return { status: 400, body: 'poisoned span' };
    const id = headers['otelfan-batch-id'] as string;
    if (!known.has(id)) stored.push(...names);
    known.add(id);
    return ok;
  };
  return { stored, answer };
}

describe('a batch that its shard refuses', () => {
  let harness: Harness;

  beforeEach(async () => {
    harness = await startHarness();
  });
  afterEach(() => harness.stop());

  const shardThat = async (answer: Answers) => harness.use(await startStubOtlpShard(answer));

  function laneTo(baseUrl: string, options: Partial<LaneOptions> = {}, events = recordingEvents().events) {
    const sender = harness.use(
      createShardSender({ shard: 's0', kind: 'embedded', baseUrl, timeoutMs: 5000, clock: systemClock }),
    );
    return harness.lane(sender.send, { events }, options);
  }

  it('is cut until only the poison span is a dead letter; everything else is delivered', async () => {
    const { stored, answer } = poisonable();
    const shard = await shardThat(answer);
    const batch = batchOf([exportOf(300), exportOf(700, [123]), exportOf(1)]);
    const { sent, dead, events } = recordingEvents();
    await harness.enqueue([batch]);
    laneTo(shard.url, {}, events);
    await harness.statsWhen({
      batches: 0,
      deadBatches: 1,
      delivered: { traces: 1000 },
      deadLettered: { traces: 1 },
    });
    expect(new Set(stored).size).toBe(1000);
    const [letter] = await harness.deadLetters();
    expect(letter).toMatchObject({
      id: `${batch.id}.423-423`,
      records: 1,
      reason: 'HTTP 400: poisoned span',
    });
    expect(namesIn(letter?.batch.payload as Buffer)).toEqual([expect.stringMatching(/^poison /)]);
    expect(shard.deliveries.length).toBeLessThan(26);
    await expect.poll(() => dead).toEqual([{ shard: 's0', signal: 'traces', records: 1 }]);
    const delivered = sent.filter(({ outcome }) => outcome === 'delivered');
    expect(delivered.reduce((sum, { records }) => sum + records, 0)).toBe(1000);
  });

  it('of one record becomes a dead letter after one send, and the lane goes on', async () => {
    const { stored, answer } = poisonable();
    const shard = await shardThat(answer);
    const poison = batchOf([exportOf(1, [0])]);
    await harness.enqueue([batchOf([exportOf(1)]), poison, batchOf([exportOf(1)])]);
    laneTo(shard.url);
    await harness.statsWhen({ batches: 0, deadBatches: 1, delivered: { traces: 2 } });
    expect(stored).toHaveLength(2);
    expect(shard.deliveries).toHaveLength(3);
    expect((await harness.deadLetters()).map(({ id }) => id)).toEqual([poison.id]);
  });

  it('as too large is cut to the size that the shard takes', async () => {
    const shard = await shardThat(({ body }) => (body.length > 2000 ? { status: 413 } : ok));
    const batch = batchOf([exportOf(200)]);
    await harness.enqueue([batch]);
    laneTo(shard.url);
    await harness.statsWhen({ batches: 0, deadBatches: 0, delivered: { traces: 200 } });
    const taken = shard.deliveries.filter(({ body }) => body.length <= 2000);
    expect(new Set(taken.flatMap(({ body }) => namesIn(body))).size).toBe(200);
  });

  it('is replayed whole from the dead letters, and only the poison span comes back', async () => {
    const { stored, answer } = poisonable();
    const shard = await shardThat(answer);
    const [old] = await harness.enqueue([batchOf([exportOf(50, [7])])]);
    const claim = await harness.queue.claim('s0', 'oldest');
    if (claim === undefined || old === undefined) throw new Error('no claim');
    await harness.queue.deadLetter(claim, 'refused by an older version');
    expect(await harness.queue.replay(old)).toBe(true);
    laneTo(shard.url);
    await harness.statsWhen({
      batches: 0,
      deadBatches: 1,
      delivered: { traces: 49 },
      deadLettered: { traces: 1 },
    });
    expect(stored).toHaveLength(49);
  });

  it('is cut on where it was when the shard was away meanwhile', async () => {
    const { stored, answer } = poisonable();
    const shard = await shardThat((delivery, count) =>
      count >= 6 && count < 12 ? { status: 503 } : answer(delivery),
    );
    await harness.enqueue([batchOf([exportOf(256, [100, 200])])]);
    laneTo(shard.url);
    await harness.statsWhen({ batches: 0, delivered: { traces: 254 }, deadLettered: { traces: 2 } });
    expect(stored).toHaveLength(254);
    const ids = shard.ids();
    // Only the part that met the 503s was sent again.
    expect(ids.length - new Set(ids).size).toBe(6);
  });

  it('becomes a dead letter past the horizon but for the parts that its shard has', async () => {
    const { stored, answer } = poisonable();
    const taken = exportOf(64);
    const shard = await shardThat(delivery => {
      const isWithoutVerdict =
        !delivery.body.includes(taken) && !namesIn(delivery.body).some(name => name.startsWith('poison'));
      return isWithoutVerdict ? { status: 503 } : answer(delivery);
    });
    const batch = batchOf([exportOf(64), exportOf(64, [0]), taken]);
    await harness.enqueue([{ ...batch, acceptedAtMs: Date.now() - 10_000 }]);
    laneTo(shard.url, { horizonMs: 5_000, horizonTriedMs: 200 });
    await harness.statsWhen({ batches: 0, delivered: { traces: 64 }, deadLettered: { traces: 128 } });
    expect(stored).toHaveLength(64);
    const dead = (await harness.deadLetters()).flatMap(letter => namesIn(letter.batch.payload));
    expect(dead.filter(name => stored.includes(name))).toEqual([]);
    expect(new Set([...dead, ...stored]).size).toBe(192);
  });

  it('is given back when cutting takes longer than its lease allows, and cut on later', async () => {
    const { stored, answer } = poisonable();
    const shard = await shardThat(delivery => ({ ...answer(delivery), afterMs: 20 }));
    let releases = 0;
    const queue = {
      ...harness.queue,
      release: (...of: Parameters<typeof harness.queue.release>) => {
        releases += 1;
        return harness.queue.release(...of);
      },
    };
    await harness.enqueue([batchOf([exportOf(256, [100])])]);
    const sender = harness.use(
      createShardSender({
        shard: 's0',
        kind: 'embedded',
        baseUrl: shard.url,
        timeoutMs: 5000,
        clock: systemClock,
      }),
    );
    harness.lane(sender.send, { queue }, { cutMs: 60 });
    await harness.statsWhen({ batches: 0, delivered: { traces: 255 }, deadLettered: { traces: 1 } });
    expect(releases).toBeGreaterThan(1);
    expect(stored).toHaveLength(255);
    expect(shard.ids().length).toBe(new Set(shard.ids()).size);
  });

  it('with everything else costs a bounded number of sends and becomes a dead letter whole', async () => {
    const shard = await shardThat(() => ({ status: 400 }));
    const batch = batchOf([exportOf(1000)]);
    await harness.enqueue([batch]);
    laneTo(shard.url);
    await harness.statsWhen({ batches: 0, deadBatches: 1, deadLettered: { traces: 1000 } });
    expect((await harness.deadLetters()).map(({ id }) => id)).toEqual([batch.id]);
    expect(shard.deliveries.length).toBeLessThan(40);
  });

  it('half-way and is then sent whole by a replica that knows nothing of that, is stored once', async () => {
    const shard = await startTestShard({ clock: { now: Date.now } });
    harness.use({ stop: () => shard.remove() });
    const sender = harness.use(
      createShardSender({
        shard: 's0',
        kind: 'embedded',
        baseUrl: shard.otlpUrl,
        timeoutMs: 5000,
        clock: systemClock,
      }),
    );
    const batch = batchOf([exportOf(64), exportOf(3)]);
    let sends = 0;
    const cutting = harness.lane(async (part, signal) => {
      sends += 1;
      if (sends <= 3) return { kind: 'reject', reason: 'by a proxy in between' };
      // The second slice, and of the first the second half.
      return sends <= 5 ? await sender.send(part, signal) : { kind: 'retry', reason: 'down' };
    });
    await harness.enqueue([batch]);
    await expect.poll(() => cutting.state().lastFailure?.reason).toBe('down');
    await cutting.stop();
    harness.lane(sender.send);
    await harness.statsWhen({ batches: 0, deadBatches: 0, delivered: { traces: 67 } });
    expect(((await shard.read('services', {})).rows[0] as Json).span_count).toBe(67);
  });

  it('by a real shard is stored but for the poison, once, also when its sender repeats the export', async () => {
    const shard = await startTestShard({ clock: { now: Date.now } });
    harness.use({ stop: () => shard.remove() });
    // A span with an attribute that ends too early: no decoder takes it.
    const broken = Buffer.from(exportOf(100, [31]));
    broken[broken.indexOf('poison') - 2] = 0x4a;
    const fine = exportOf(20);
    const exportId = 'e'.repeat(32);
    const records = 120;
    const first = newBatch('s0', {
      payload: Buffer.concat([broken, fine]),
      records,
      slices: [
        { exportId, sizeBytes: broken.length },
        { exportId: 'f'.repeat(32), sizeBytes: fine.length },
      ],
    });
    await harness.enqueue([first]);
    laneTo(shard.otlpUrl);
    await harness.statsWhen({ batches: 0, delivered: { traces: 119 }, deadLettered: { traces: 1 } });
    const storedSpans = async () => ((await shard.read('services', {})).rows[0] as Json).span_count;
    expect(await storedSpans()).toBe(119);

    const other = exportOf(5);
    const repeat = newBatch('s0', {
      payload: Buffer.concat([other, broken]),
      records: 105,
      slices: [
        { exportId: 'd'.repeat(32), sizeBytes: other.length },
        { exportId, sizeBytes: broken.length },
      ],
    });
    await harness.enqueue([repeat]);
    await harness.statsWhen({ batches: 0, delivered: { traces: 119 + 104 }, deadLettered: { traces: 2 } });
    expect(await storedSpans()).toBe(119 + 5);
  });
});
