import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { Batch } from '../../../src/ingest/queue/batch.ts';
import type { EnqueueOutcome, LaneStats } from '../../../src/ingest/queue/batch-queue.ts';
import { countStored, createQueueWatch, type QueueWatch } from '../../../src/ingest/queue-watch.ts';

const INTERVAL_MS = 10;

let watch: QueueWatch | undefined;
afterEach(() => watch?.stop());

/** What a queue would say; the tests change it. */
interface Said {
  bytes: Record<string, number>;
  unavailable: string | undefined;
  /** Whether it does not answer, or for which shard only. */
  fails: boolean | string;
  looks: number;
}

function watchOf(bytes: Record<string, number> = {}, shards: () => readonly string[] = () => ['s0', 's1']) {
  const said: Said = { bytes, unavailable: undefined, fails: false, looks: 0 };
  const answer = <T>(value: T, isAway = false) =>
    isAway || said.fails === true ? Promise.reject(new Error('away')) : Promise.resolve(value);
  watch = createQueueWatch({
    queue: {
      stats: shard => answer({ sizeBytes: said.bytes[shard] ?? 0 } as LaneStats, said.fails === shard),
      shards: () => answer(Object.keys(said.bytes), said.fails !== false),
      unavailableReason: () => {
        said.looks++;
        return answer(said.unavailable);
      },
    },
    shards,
    maxShardBytes: 1000,
    maxBytes: 1500,
    intervalMs: INTERVAL_MS,
    logger: pino({ level: 'silent' }),
  });
  return { said, watch };
}

function batchOf(shard: string, sizeBytes: number): Batch {
  return { shard, payload: Buffer.alloc(sizeBytes) } as unknown as Batch;
}

describe('the queue watch', () => {
  it('knows a shard whose queue is full, and when it has room again', async () => {
    const { said, watch } = watchOf({ s0: 1000, s1: 999 - 600 });
    await expect
      .poll(() => watch.fullReason('s0'))
      .toBe('queue of shard s0 is full (1000 bytes waiting, queue.maxShardBytes is 1000)');
    expect(watch.fullReason('s1')).toBeUndefined();
    said.bytes.s0 = 10;
    await expect.poll(() => watch.fullReason('s0')).toBeUndefined();
  });

  it('counts what this process stores until the next look', async () => {
    const { said, watch } = watchOf({ s0: 600 });
    await expect.poll(() => said.looks).toBeGreaterThan(0);
    await watch.stop();
    watch.stored([batchOf('s0', 300)]);
    expect(watch.fullReason('s0')).toBeUndefined();
    watch.stored([batchOf('s0', 100), batchOf('s1', 400)]);
    expect(watch.fullReason('s0')).toContain('1000 bytes waiting');
    expect(watch.closedReason()).toBeUndefined();
    watch.stored([batchOf('s1', 100)]);
    expect(watch.closedReason()).toBe(
      'the queue is full (1500 bytes waiting for all shards, queue.maxBytes is 1500)',
    );
  });

  it('counts the bytes of shards that left the topology into the total', async () => {
    const { watch } = watchOf({ s0: 800, gone: 700 }, () => ['s0']);
    await expect.poll(() => watch.closedReason()).toContain('queue.maxBytes');
    expect(watch.fullReason('s0')).toBeUndefined();
  });

  it('watches a shard that joined the topology', async () => {
    let shards = ['s0'];
    const { said, watch } = watchOf({}, () => shards);
    shards = ['s0', 's9'];
    watch.stored([batchOf('s9', 2000)]);
    expect(watch.fullReason('s9')).toBeDefined();
    said.bytes = { s9: 5 };
    await expect.poll(() => watch.fullReason('s9')).toBeUndefined();
  });

  it("passes on the queue's own reason", async () => {
    const { said, watch } = watchOf();
    said.unavailable = 'Redis uses 81 % of its maxmemory';
    await expect.poll(() => watch.closedReason()).toBe('Redis uses 81 % of its maxmemory');
    said.unavailable = undefined;
    await expect.poll(() => watch.closedReason()).toBeUndefined();
  });

  it('keeps what it knew, and what was stored since, when it cannot look', async () => {
    const { said, watch } = watchOf({ s0: 600 });
    await expect.poll(() => said.looks).toBeGreaterThan(1);
    said.fails = true;
    watch.stored([batchOf('s0', 400)]);
    const looks = said.looks;
    await expect.poll(() => said.looks).toBeGreaterThan(looks + 2);
    expect(watch.fullReason('s0')).toContain('1000 bytes waiting');
  });

  it('a lane that does not answer hides no other, and keeps what was known of it', async () => {
    const { said, watch } = watchOf({ s0: 100, s1: 100 });
    await expect.poll(() => said.looks).toBeGreaterThan(1);
    said.fails = 's1';
    watch.stored([batchOf('s0', 900), batchOf('s1', 900)]);
    expect(watch.closedReason()).toContain('2000 bytes waiting');
    await expect.poll(() => watch.fullReason('s0')).toBeUndefined();
    expect(watch.fullReason('s1')).toContain('1000 bytes waiting');
    expect(watch.closedReason()).toBeUndefined();
    said.fails = false;
    await expect.poll(() => watch.fullReason('s1')).toBeUndefined();
  });

  it('counts a batch once however often it is stored again', async () => {
    let outcome: EnqueueOutcome = { kind: 'unknown', reason: 'timed out', shards: new Set(['s0']) };
    const counted: Batch[] = [];
    const queue = countStored(
      { enqueue: () => Promise.resolve(outcome) },
      { stored: batches => counted.push(...batches) },
    );
    const batches = [batchOf('s0', 1), batchOf('s1', 1)];
    await queue.enqueue(batches);
    await queue.enqueue(batches.slice(0, 1));
    outcome = { kind: 'stored' };
    await queue.enqueue(batches.slice(0, 1));
    expect(counted).toEqual(batches);
  });

  it.each<[EnqueueOutcome, boolean]>([
    [{ kind: 'stored' }, true],
    [{ kind: 'unknown', reason: 'timed out', shards: new Set(['s0']) }, true],
    [{ kind: 'refused', reason: 'no' }, false],
  ])('batches whose outcome is %o count: %s', async (outcome, counts) => {
    const counted: Batch[] = [];
    const queue = countStored(
      { enqueue: () => Promise.resolve(outcome) },
      { stored: batches => counted.push(...batches) },
    );
    expect(await queue.enqueue([batchOf('s0', 1)])).toBe(outcome);
    expect(counted).toHaveLength(counts ? 1 : 0);
  });
});
