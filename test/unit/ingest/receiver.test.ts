import { describe, expect, it } from 'vitest';
import type { Batcher, PendingExport, StoreOutcome } from '../../../src/ingest/batcher.ts';
import type { IngestEvents } from '../../../src/ingest/ingest-events.ts';
import { createPartition } from '../../../src/ingest/partition/partition.ts';
import { createReceiver } from '../../../src/ingest/receiver.ts';
import { NO_POOL } from '../../../src/shared/buffer-pool.ts';
import type { ExportRequest } from '../../../src/shared/otlp/door.ts';
import { createOtlpTypes } from '../../../src/shared/otlp/messages.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { createTopology, type ShardSpec } from '../../../src/shared/topology/topology.ts';

const hash = await createHash();
const types = createOtlpTypes();
const traces = types.request('traces');
const partition = createPartition(types);
const shard = (id: string): ShardSpec => ({
  id,
  kind: 'embedded',
  otlp: 'http://127.0.0.1:1',
  read: 'http://127.0.0.1:2',
  weight: 1,
  state: 'active',
});
const topology = createTopology({ version: 7, shards: [shard('s0'), shard('s1')] }, hash);

type Received = Parameters<IngestEvents['received']>[0];
type Shed = Parameters<IngestEvents['shed']>[0];

interface ReceiverSetup {
  readonly outcome?: StoreOutcome;
  readonly full?: readonly string[];
  readonly onShardFull?: 'shed' | 'reject';
  readonly version?: number;
  readonly maxSliceBytes?: number;
  /** The batcher lets go of nothing by itself. */
  readonly isHeld?: boolean;
}

function receiverWith({
  outcome = { kind: 'stored', isLetGo: true },
  full = [],
  onShardFull = 'shed',
  version = 7,
  maxSliceBytes = 1_000_000,
  isHeld = false,
}: ReceiverSetup = {}) {
  const exports: PendingExport[] = [];
  const received: Received[] = [];
  const shed: Shed[] = [];
  const sampled: { key: string; shard: string; records: number }[] = [];
  const batcher: Batcher = {
    store: async pending => {
      exports.push(pending);
      await Promise.resolve();
      if (!isHeld) pending.onLetGo();
      return outcome;
    },
    drain: () => Promise.resolve(),
  };
  const handle = createReceiver({
    topology: () => createTopology({ ...topology, version }, hash),
    partition,
    hash,
    batcher,
    fullReason: id => (full.includes(id) ? `queue of shard ${id} is full` : undefined),
    onShardFull,
    storeTimeoutMs: 4000,
    events: { received: event => received.push(event), shed: event => shed.push(event) },
    hotKeys: { add: seen => sampled.push({ ...seen, key: Buffer.from(seen.key.bytes).toString() }) },
    buffers: NO_POOL,
    maxSliceBytes,
    steady: { now: () => 1_000_000 },
  });
  const send = (body: Buffer, change: Partial<ExportRequest> = {}) =>
    handle({
      signal: 'traces',
      transport: 'http',
      body,
      header: () => undefined,
      deadlineMs: undefined,
      warnings: [],
      ...change,
    });
  return { exports, received, shed, sampled, send, stored: () => exports.flatMap(({ slices }) => slices) };
}

/** Spans of enough traces that both shards own some. */
function spans(count: number, first = 1): Buffer {
  const list = Array.from({ length: count }, (_, index) => ({
    traceId: Buffer.alloc(16, index + first),
    spanId: Buffer.alloc(8, 1),
  }));
  return Buffer.from(traces.encode({ resourceSpans: [{ scopeSpans: [{ spans: list }] }] }).finish());
}

describe('the receiver', () => {
  it('stores one slice per owner, all with the export id of the whole request', async () => {
    const { exports, received, stored, send } = receiverWith();
    expect(await send(spans(20))).toEqual({ kind: 'accepted', rejected: 0, message: '' });
    expect(exports).toMatchObject([{ signal: 'traces', topologyVersion: 7 }]);
    expect(exports[0]?.exportId).toMatch(/^[0-9a-f]{32}$/);
    expect(
      stored()
        .map(slice => slice.shard)
        .sort(),
    ).toEqual(['s0', 's1']);
    expect(stored().reduce((sum, slice) => sum + slice.records, 0)).toBe(20);
    const counts = { accepted: 20, rejected: 0, shed: 0, refused: 0 };
    expect(received).toEqual([{ transport: 'http', signal: 'traces', ...counts }]);
  });

  it("tries to store until the sender's deadline, and no longer than is set", async () => {
    const { exports, send } = receiverWith();
    await send(spans(1));
    await send(spans(1), { deadlineMs: 1_000_500 });
    await send(spans(1), { deadlineMs: 1_060_000 });
    expect(exports.map(({ deadlineMs }) => deadlineMs)).toEqual([1_004_000, 1_000_500, 1_004_000]);
  });

  it('refuses for good what is too large with its envelopes for every shard, and for now what has no room', async () => {
    const { send } = receiverWith({ maxSliceBytes: 1000 });
    const large = Buffer.from(
      traces
        .encode({
          resourceSpans: [
            {
              schemaUrl: 'x'.repeat(400),
              scopeSpans: [
                {
                  spans: Array.from({ length: 12 }, (_, name) => ({
                    traceId: Buffer.alloc(16, name + 1),
                    spanId: Buffer.alloc(8, 1),
                  })),
                },
              ],
            },
          ],
        })
        .finish(),
    );
    expect(large.length).toBeLessThan(1000);
    expect(await send(large)).toMatchObject({ kind: 'refused', condition: 'tooLarge' });
    // Each of these takes about 600 of the 1000 bytes while it is stored.
    const [first, second] = await Promise.all([send(spans(19)), send(spans(19))]);
    expect(first).toMatchObject({ kind: 'accepted' });
    expect(second).toMatchObject({ kind: 'refused', condition: 'unavailable', retryAfterMs: 1000 });
    expect(await send(spans(19))).toMatchObject({ kind: 'accepted' });
  });

  it('has no room for others while slices are held whose sender was answered already', async () => {
    const outcome = { kind: 'unavailable', reason: 'timed out' } as const;
    const { exports, send } = receiverWith({ outcome, maxSliceBytes: 1000, isHeld: true });
    expect(await send(spans(19))).toMatchObject({ message: 'timed out' });
    expect(await send(spans(19))).toMatchObject({ message: expect.stringContaining('maxBytesInFlight') });
    expect(exports).toHaveLength(1);
    exports[0]?.onLetGo();
    expect(await send(spans(19))).toMatchObject({ message: 'timed out' });
  });

  it('holds nothing of a request of which nothing is stored', async () => {
    const { send } = receiverWith({ full: ['s0', 's1'], maxSliceBytes: 1000, isHeld: true });
    for (let times = 0; times < 3; times++) {
      expect(await send(spans(19))).toMatchObject({ message: expect.stringContaining('is full') });
    }
  });

  it('looks at the key of every 64th record, counted over requests', async () => {
    const { sampled, send } = receiverWith();
    for (let i = 0; i < 32; i++) await send(spans(20));
    expect(sampled).toHaveLength(10);
    expect(sampled[0]).toMatchObject({
      signal: 'traces',
      records: 64,
      shard: expect.stringMatching(/^s[01]$/),
    });
  });

  it('looks at a metric as often as it has 64 data points, and not at those after it instead', async () => {
    const { sampled, send } = receiverWith();
    const metric = (name: string, points: number) => ({
      name,
      gauge: { dataPoints: Array.from({ length: points }, () => ({})) },
    });
    const metrics = [metric('hot', 1000), ...Array.from({ length: 15 }, () => metric('cold', 1))];
    const body = types.request('metrics').encode({ resourceMetrics: [{ scopeMetrics: [{ metrics }] }] });
    await send(Buffer.from(body.finish()), { signal: 'metrics' });
    expect(sampled).toMatchObject([{ key: 'hot', records: 1024 }]);
  });

  it('gives a repeat the same export id and another request another one', async () => {
    const { exports, send } = receiverWith();
    await send(spans(1));
    await send(spans(1));
    await send(spans(1, 2));
    expect(exports[0]?.exportId).toBe(exports[1]?.exportId);
    expect(exports[2]?.exportId).not.toBe(exports[0]?.exportId);
  });

  it('gives a repeat that another topology splits another export id, so that moved records are not taken for stored', async () => {
    const before = receiverWith({ version: 7 });
    const after = receiverWith({ version: 8 });
    await before.send(spans(1));
    await after.send(spans(1));
    expect(after.exports[0]?.exportId).not.toBe(before.exports[0]?.exportId);
  });

  it('refuses for good what a shard could not decode, however deep it lies', async () => {
    const { stored, send } = receiverWith();
    const body = spans(3);
    const attribute = Buffer.from([0x0a, 0x02, 0x0a, 0x05]); // an attribute whose key is longer than the attribute
    const damaged = Buffer.concat([body, Buffer.from([0x0a, 0x06, 0x0a, 0x04]), attribute]);
    expect(await send(damaged)).toMatchObject({ kind: 'refused', condition: 'malformed' });
    expect(stored()).toEqual([]);
  });

  it('refuses for good what has more records than a shard can store at once, however small they are', async () => {
    const { stored, send } = receiverWith();
    const request = (spans: number) =>
      Buffer.from(
        traces
          .encode({ resourceSpans: [{ scopeSpans: [{ spans: Array.from({ length: spans }, () => ({})) }] }] })
          .finish(),
      );
    expect(await send(request(200_000))).toMatchObject({ kind: 'accepted', rejected: 200_000 });
    expect(await send(request(200_001))).toMatchObject({
      kind: 'refused',
      condition: 'tooLarge',
      message: 'request of more than 200000 spans; send smaller batches',
    });
    expect(stored()).toEqual([]);
  });

  it('refuses the whole request as retryable when one slice could not be stored', async () => {
    const { received, send } = receiverWith({ outcome: { kind: 'unavailable', reason: 'Redis is away' } });
    expect(await send(spans(20))).toEqual({
      kind: 'refused',
      condition: 'unavailable',
      message: 'Redis is away',
      retryAfterMs: 1000,
    });
    expect(received).toMatchObject([{ accepted: 0, shed: 0, refused: 20 }]);
  });

  it('refuses only the slices of a full shard, with count and reason', async () => {
    const { stored, received, shed, send } = receiverWith({ full: ['s1'] });
    const outcome = await send(spans(20));
    expect(stored().map(slice => slice.shard)).toEqual(['s0']);
    const kept = stored()[0]?.records ?? 0;
    expect(received).toMatchObject([{ accepted: kept, shed: 20 - kept, refused: 0 }]);
    expect(shed).toEqual([{ shard: 's1', signal: 'traces', records: 20 - kept }]);
    expect(outcome).toEqual({
      kind: 'accepted',
      rejected: 20 - kept,
      message: `refused ${20 - kept} × span: queue of shard s1 is full`,
    });
  });

  it('refuses the whole request as retryable for the sake of a full shard when told to', async () => {
    const { stored, received, send } = receiverWith({ full: ['s1'], onShardFull: 'reject' });
    expect(await send(spans(20))).toMatchObject({
      kind: 'refused',
      condition: 'unavailable',
      message: 'queue of shard s1 is full',
      retryAfterMs: 1000,
    });
    expect(stored()).toEqual([]);
    expect(received).toMatchObject([{ accepted: 0, shed: 0, refused: 20 }]);
  });

  it('asks the sender to come back when nothing of the request could be stored', async () => {
    const { stored, send } = receiverWith({ full: ['s0', 's1'] });
    expect(await send(spans(20))).toMatchObject({ kind: 'refused', condition: 'unavailable' });
    expect(stored()).toEqual([]);
  });

  it('accepts an empty request without storing anything', async () => {
    const { stored, send } = receiverWith();
    expect(await send(Buffer.alloc(0))).toEqual({ kind: 'accepted', rejected: 0, message: '' });
    expect(stored()).toEqual([]);
  });

  it('refuses bytes that are not OTLP for good, storing nothing', async () => {
    const { stored, send } = receiverWith();
    expect(await send(Buffer.from('hello'))).toMatchObject({ kind: 'refused', condition: 'malformed' });
    expect(stored()).toEqual([]);
  });

  it('reports rejected records and passes warnings on', async () => {
    const { send } = receiverWith();
    const bad = Buffer.from(
      traces.encode({ resourceSpans: [{ scopeSpans: [{ spans: [{ name: 'no ids' }] }] }] }).finish(),
    );
    expect(await send(bad, { warnings: ['careful'] })).toEqual({
      kind: 'accepted',
      rejected: 1,
      message: 'rejected 1 × trace_id is not 16 bytes with at least one non-zero; careful',
    });
  });
});
