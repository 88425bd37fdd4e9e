import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPartition } from '../../../src/ingest/partition/partition.ts';
import type { Batch } from '../../../src/ingest/queue/batch.ts';
import type { BatchQueue } from '../../../src/ingest/queue/batch-queue.ts';
import { batchesOf, type RerouteOutcome, rerouteShard } from '../../../src/ingest/reroute.ts';
import { createOtlpTypes } from '../../../src/shared/otlp/messages.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { createTopology, ownerOf, type Topology } from '../../../src/shared/topology/topology.ts';
import { traceId } from '../../support/otlp-samples.ts';
import { claimAll, openDataFolderQueue, traceBatch, traceIdsOf } from '../../support/queue-samples.ts';
import { shardSpec } from '../../support/stub-shard.ts';
import { temporaryFolder } from '../../support/systems.ts';

const hash = await createHash();
const partition = createPartition(createOtlpTypes());

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let queue: BatchQueue;
beforeEach(async () => {
  folder = await temporaryFolder();
  queue = await openDataFolderQueue(folder.path);
});
afterEach(async () => {
  await queue.stop();
  await folder.remove();
});

const topologyOf = (version: number, ...ids: string[]): Topology =>
  createTopology({ version, shards: ids.map((id, index) => shardSpec(id, index + 1)) }, hash);

const TWO = topologyOf(2, 's0', 's1');

interface Options {
  readonly topology?: Topology;
  readonly patienceMs?: number;
  readonly signal?: AbortSignal;
  readonly onBatch?: (batches: number) => void;
}

function reroute({ topology = TWO, patienceMs = 0, signal, onBatch }: Options = {}): Promise<RerouteOutcome> {
  return rerouteShard({
    queue,
    shard: 's9',
    topology,
    hash,
    partition,
    clock: { now: Date.now },
    patienceMs,
    signal: signal ?? new AbortController().signal,
    onProgress: ({ batches }) => onBatch?.(batches),
  });
}

const traces = (count: number, prefix = 't') =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);
const ownerOfTrace = (id: string, topology: Topology) =>
  ownerOf(topology, hash.slot(Buffer.from(id, 'hex'))).id;

describe('re-routing a shard', () => {
  it('moves every record to the shard that owns its trace now, and splits no trace', async () => {
    const batches = Array.from({ length: 7 }, (_, index) =>
      traceBatch({ shard: 's9', slices: [traces(20, `a${index}-`), traces(5)] }),
    );
    await queue.enqueue(batches);
    const outcome = await reroute();
    expect(outcome).toMatchObject({ kind: 'done', batches: 7, records: 175, deadBatches: 0, batchesLeft: 0 });

    const moved = (await Promise.all(['s0', 's1'].map(shard => claimAll(queue, shard)))).flat();
    const placed = moved.flatMap(batch => traceIdsOf(batch).map(id => ({ id, shard: batch.shard })));
    for (const { id, shard } of placed) expect(shard).toBe(ownerOfTrace(id, TWO));
    const sent = batches.flatMap(traceIdsOf).sort();
    expect(placed.map(({ id }) => id).sort()).toEqual(sent);
    const recordsTo = Object.fromEntries(outcome.recordsTo);
    for (const shard of ['s0', 's1']) {
      expect(recordsTo[shard]).toBe(placed.filter(record => record.shard === shard).length);
    }
  });

  it('keeps the accounts: what the old shard accepted is rerouted, and accepted by the new ones', async () => {
    await queue.enqueue([traceBatch({ shard: 's9', slices: [traces(30)] })]);
    await reroute();
    const [old, ...owners] = await Promise.all(['s9', 's0', 's1'].map(shard => queue.audit(shard)));
    expect(old).toMatchObject({ queued: { traces: 0 }, accepted: { traces: 30 }, rerouted: { traces: 30 } });
    expect(owners.reduce((sum, { queued }) => sum + queued.traces, 0)).toBe(30);
  });

  it('keeps the time of acceptance and says which version placed the batches', async () => {
    await queue.enqueue([traceBatch({ shard: 's9', slices: [traces(9)], change: { acceptedAtMs: 1234 } })]);
    await reroute();
    for (const batch of await claimAll(queue, 's0')) {
      expect(batch).toMatchObject({ acceptedAtMs: 1234, topologyVersion: 2, signal: 'traces' });
    }
  });

  it('leaves slices that are one another after the other, with the sizes that the header says', async () => {
    await queue.enqueue([traceBatch({ shard: 's9', slices: [traces(12), traces(12, 'u')] })]);
    await reroute();
    const [batch] = (await claimAll(queue, 's0')) as [Batch];
    expect(batch.slices).toHaveLength(2);
    const sizes = batch.slices.map(slice => slice.sizeBytes);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(batch.payload.length);
    const [firstSize] = sizes as [number];
    const first = traceIdsOf({ ...batch, payload: batch.payload.subarray(0, firstSize) });
    expect(first.every(id => traces(12).some(name => traceId(name) === id))).toBe(true);
  });

  it('gives slices export ids of their own, so that no shard takes them for the repeat of its own slice', async () => {
    const original = traceBatch({ shard: 's9', slices: [traces(12)] });
    await queue.enqueue([original]);
    await reroute();
    const [batch] = (await claimAll(queue, 's0')) as [Batch];
    expect(batch.slices[0]?.exportId).toMatch(/^[0-9a-f]{32}$/);
    expect(batch.slices[0]?.exportId).not.toBe(original.slices[0]?.exportId);
  });

  it("a sender's repeat that was queued for the shard too is still recognised by its export id", async () => {
    const first = traceBatch({ shard: 's9', slices: [traces(12)] });
    const repeat = { ...traceBatch({ shard: 's9', slices: [traces(12)] }), slices: first.slices };
    await queue.enqueue([first, repeat]);
    await reroute();
    const moved = await claimAll(queue, 's0');
    expect(moved).toHaveLength(2);
    expect(moved[0]?.slices).toEqual(moved[1]?.slices);
    expect(moved[0]?.id).not.toBe(moved[1]?.id);
  });

  it('a second attempt after a crash makes the same batches under the same ids', () => {
    const batch = traceBatch({ shard: 's9', slices: [traces(20), traces(5)] });
    expect(batchesOf(batch, { topology: TWO, hash, partition })).toEqual(
      batchesOf(batch, { topology: TWO, hash, partition }),
    );
  });

  it('another version makes other ids, because it cuts other bytes', async () => {
    const batch = traceBatch({ shard: 's9', slices: [traces(40)] });
    const idsUnder = async (topology: Topology) => {
      await queue.enqueue([{ ...batch, shard: 's9', id: `${batch.id}-${topology.version}` }]);
      await reroute({ topology });
      return (await claimAll(queue, 's0')).map(({ id, slices }) => [id.slice(-16), slices[0]?.exportId]);
    };
    const [[idTwo, exportTwo]] = (await idsUnder(TWO)) as [[string, string]];
    const [[idThree, exportThree]] = (await idsUnder(topologyOf(3, 's0', 's1', 's2'))) as [[string, string]];
    expect(idTwo).not.toBe(idThree);
    expect(exportTwo).not.toBe(exportThree);
  });

  it('ids stay short however often a batch is re-routed', async () => {
    await queue.enqueue([traceBatch({ shard: 's9', slices: [traces(30)] })]);
    await reroute({ topology: topologyOf(2, 's8') });
    const ids: string[] = [];
    for (let version = 3; version < 6; version++) {
      const from = version === 3 ? 's8' : `s8-${version - 1}`;
      await rerouteShard({
        queue,
        shard: from,
        topology: topologyOf(version, `s8-${version}`),
        hash,
        partition,
        clock: { now: Date.now },
        patienceMs: 0,
        signal: new AbortController().signal,
        onProgress: () => {},
      });
      const claim = await queue.claim(`s8-${version}`, 'oldest');
      ids.push(claim?.batch.id ?? '');
      if (claim !== undefined) await queue.release(claim, 0);
    }
    expect(ids.every(id => id.length === 53)).toBe(true);
    expect(new Set(ids).size).toBe(3);
  });

  it('stops when it is told to, and the next run goes on with what is left', async () => {
    const batches = Array.from({ length: 10 }, () => traceBatch({ shard: 's9', slices: [traces(3)] }));
    await queue.enqueue(batches);
    const stopping = new AbortController();
    const first = await reroute({
      signal: stopping.signal,
      onBatch: count => count === 4 && stopping.abort(),
    });
    expect(first).toMatchObject({ kind: 'aborted', batches: 4, batchesLeft: 6 });
    expect(await reroute()).toMatchObject({ kind: 'done', batches: 6, batchesLeft: 0 });
    const moved = (await Promise.all(['s0', 's1'].map(shard => claimAll(queue, shard)))).flat();
    expect(moved.reduce((sum, { records }) => sum + records, 0)).toBe(30);
  });

  it('gives up after a while on batches that somebody else holds', async () => {
    await queue.enqueue([traceBatch({ shard: 's9', slices: [traces(3)] })]);
    const held = await queue.claim('s9', 'oldest');
    expect(await reroute({ patienceMs: 300 })).toMatchObject({ kind: 'out of patience', batchesLeft: 1 });
    expect(held).toBeDefined();
  });

  it('waits for batches that rest after a failed delivery', async () => {
    await queue.enqueue([traceBatch({ shard: 's9', slices: [traces(3)] })]);
    const held = await queue.claim('s9', 'oldest');
    if (held !== undefined) await queue.release(held, 400);
    expect(await reroute({ patienceMs: 10_000 })).toMatchObject({ kind: 'done', batches: 1 });
  });

  it('refuses to split by a topology that is not the one of ingest', async () => {
    const newer = traceBatch({ shard: 's9', slices: [traces(3)], change: { topologyVersion: 5 } });
    await queue.enqueue([newer]);
    const outcome = await reroute();
    expect(outcome).toMatchObject({ kind: 'refused', batches: 0, batchesLeft: 1 });
    expect(outcome.reason).toContain('by version 5 of the topology, and this is version 2');
    expect((await queue.claim('s9', 'oldest'))?.batch.id).toBe(newer.id);
  });

  it('sets aside what cannot be cut into all its records, with the reason', async () => {
    const good = traceBatch({ shard: 's9', slices: [traces(3)] });
    const bad = { ...traceBatch({ shard: 's9', slices: [traces(3)] }), records: 4 };
    await queue.enqueue([bad, good]);
    expect(await reroute()).toMatchObject({ kind: 'done', batches: 1, deadBatches: 1 });
    expect(await queue.deadLetters('s9', { limit: 10 })).toMatchObject([
      { id: bad.id, reason: 'cannot be re-routed: 3 of its 4 records were found in it' },
    ]);
  });
});
