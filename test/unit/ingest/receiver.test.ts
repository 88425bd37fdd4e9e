import { describe, expect, it } from 'vitest';
import type { Batcher, PendingSlice } from '../../../src/ingest/batcher.ts';
import type { EnqueueOutcome } from '../../../src/ingest/queue/batch-queue.ts';
import { createReceiver } from '../../../src/ingest/receiver.ts';
import { createOtlpTypes } from '../../../src/shared/otlp/messages.ts';
import { createWireCheck } from '../../../src/shared/otlp/wire-check.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { createTopology, type ShardSpec } from '../../../src/shared/topology/topology.ts';

const hash = await createHash();
const types = createOtlpTypes();
const traces = types.request('traces');
const check = createWireCheck(types);
const shard = (id: string): ShardSpec => ({
  id,
  kind: 'embedded',
  otlp: 'http://127.0.0.1:1',
  read: 'http://127.0.0.1:2',
  weight: 1,
  state: 'active',
});
const topology = createTopology({ version: 7, shards: [shard('s0'), shard('s1')] }, hash);

interface ReceiverSetup {
  readonly outcome?: (slice: PendingSlice) => EnqueueOutcome;
  readonly full?: readonly string[];
  readonly version?: number;
}

function receiverWith({ outcome = () => ({ kind: 'stored' }), full = [], version = 7 }: ReceiverSetup = {}) {
  const stored: PendingSlice[] = [];
  const batcher: Batcher = {
    store: slice => {
      stored.push(slice);
      return Promise.resolve(outcome(slice));
    },
    drain: () => Promise.resolve(),
  };
  const handle = createReceiver({
    topology: () => createTopology({ ...topology, version }, hash),
    check,
    hash,
    batcher,
    fullReason: id => (full.includes(id) ? `queue of shard ${id} is full` : undefined),
  });
  const send = (body: Buffer, warnings: readonly string[] = []) =>
    handle({ signal: 'traces', body, header: () => undefined, warnings });
  return { stored, send };
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
    const { stored, send } = receiverWith();
    expect(await send(spans(20))).toEqual({ kind: 'accepted', rejected: 0, message: '' });
    expect(stored.map(slice => slice.shard).sort()).toEqual(['s0', 's1']);
    expect(stored.reduce((sum, slice) => sum + slice.records, 0)).toBe(20);
    expect(new Set(stored.map(slice => slice.exportId)).size).toBe(1);
    expect(stored[0]?.exportId).toMatch(/^[0-9a-f]{32}$/);
    expect(stored[0]?.topologyVersion).toBe(7);
  });

  it('gives a repeat the same export id and another request another one', async () => {
    const { stored, send } = receiverWith();
    await send(spans(1));
    await send(spans(1));
    await send(spans(1, 2));
    expect(stored[0]?.exportId).toBe(stored[1]?.exportId);
    expect(stored[2]?.exportId).not.toBe(stored[0]?.exportId);
  });

  it('gives a repeat that another topology splits another export id, so that moved records are not taken for stored', async () => {
    const before = receiverWith({ version: 7 });
    const after = receiverWith({ version: 8 });
    await before.send(spans(1));
    await after.send(spans(1));
    expect(after.stored[0]?.exportId).not.toBe(before.stored[0]?.exportId);
  });

  it('refuses for good what a shard could not decode, however deep it lies', async () => {
    const { stored, send } = receiverWith();
    const body = spans(3);
    const attribute = Buffer.from([0x0a, 0x02, 0x0a, 0x05]); // an attribute whose key is longer than the attribute
    const damaged = Buffer.concat([body, Buffer.from([0x0a, 0x06, 0x0a, 0x04]), attribute]);
    expect(await send(damaged)).toMatchObject({ kind: 'refused', condition: 'malformed' });
    expect(stored).toEqual([]);
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
    expect(stored).toEqual([]);
  });

  it('refuses the whole request as retryable when one slice could not be stored', async () => {
    const { send } = receiverWith({
      outcome: slice =>
        slice.shard === 's1' ? { kind: 'unavailable', reason: 'Redis is away' } : { kind: 'stored' },
    });
    expect(await send(spans(20))).toEqual({
      kind: 'refused',
      condition: 'unavailable',
      message: 'Redis is away',
      retryAfterMs: 1000,
    });
  });

  it('refuses only the slices of a full shard, with count and reason', async () => {
    const { stored, send } = receiverWith({ full: ['s1'] });
    const outcome = await send(spans(20));
    expect(stored.map(slice => slice.shard)).toEqual(['s0']);
    const kept = stored[0]?.records ?? 0;
    expect(outcome).toEqual({
      kind: 'accepted',
      rejected: 20 - kept,
      message: `refused ${20 - kept} × span: queue of shard s1 is full`,
    });
  });

  it('asks the sender to come back when nothing of the request could be stored', async () => {
    const { stored, send } = receiverWith({ full: ['s0', 's1'] });
    expect(await send(spans(20))).toMatchObject({ kind: 'refused', condition: 'unavailable' });
    expect(stored).toEqual([]);
  });

  it('accepts an empty request without storing anything', async () => {
    const { stored, send } = receiverWith();
    expect(await send(Buffer.alloc(0))).toEqual({ kind: 'accepted', rejected: 0, message: '' });
    expect(stored).toEqual([]);
  });

  it('refuses bytes that are not OTLP for good, storing nothing', async () => {
    const { stored, send } = receiverWith();
    expect(await send(Buffer.from('hello'))).toMatchObject({ kind: 'refused', condition: 'malformed' });
    expect(stored).toEqual([]);
  });

  it('reports rejected records and passes warnings on', async () => {
    const { send } = receiverWith();
    const bad = Buffer.from(
      traces.encode({ resourceSpans: [{ scopeSpans: [{ spans: [{ name: 'no ids' }] }] }] }).finish(),
    );
    expect(await send(bad, ['careful'])).toEqual({
      kind: 'accepted',
      rejected: 1,
      message: 'rejected 1 × trace_id is not 16 bytes with at least one non-zero; careful',
    });
  });
});
