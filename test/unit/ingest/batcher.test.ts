import { describe, expect, it } from 'vitest';
import { createBatcher, type PendingExport } from '../../../src/ingest/batcher.ts';
import type { Batch } from '../../../src/ingest/queue/batch.ts';
import type { EnqueueOutcome } from '../../../src/ingest/queue/batch-queue.ts';
import { NO_POOL } from '../../../src/shared/buffer-pool.ts';
import { MAX_SLICES_PER_BATCH } from '../../../src/shared/otlp/batch-header.ts';

/** A queue whose commits end when the test says so: the batcher's only dependency is `enqueue`. */
function controlledQueue() {
  const commits: {
    batches: readonly Batch[];
    end: (outcome: EnqueueOutcome) => void;
    fail: (error: Error) => void;
  }[] = [];
  const queue = {
    enqueue: (batches: readonly Batch[]) =>
      new Promise<EnqueueOutcome>((end, fail) => {
        commits.push({ batches, end, fail });
      }),
  };
  return { queue, commits };
}

let nextId = 0;
function batcherOf(queue: ReturnType<typeof controlledQueue>['queue'], batchBytes = 1_000_000) {
  return createBatcher({
    queue,
    batchBytes,
    newId: () => `batch-${nextId++}`,
    buffers: NO_POOL,
    clock: { now: () => 42 },
    steady: { now: () => 42 },
  });
}

interface Change extends Partial<Omit<PendingExport, 'slices'>> {
  readonly shards?: readonly string[];
  readonly bytes?: Buffer;
  readonly records?: number;
}

/** A request with the same slice for each of some shards. */
function request({
  shards = ['s0'],
  bytes = Buffer.from('abc'),
  records = 2,
  ...change
}: Change = {}): PendingExport {
  return {
    signal: 'traces',
    topologyVersion: 1,
    exportId: 'e'.repeat(32),
    deadlineMs: 10_000,
    onLetGo: () => {},
    ...change,
    slices: shards.map(shard => ({ shard, bytes, records })),
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 1));
}

describe('the batcher', () => {
  it('stores slices that wait together as one batch per shard and signal, whose body is the slices in order', async () => {
    const { queue, commits } = controlledQueue();
    const batcher = batcherOf(queue);
    void batcher.store(request({ exportId: 'a'.repeat(32) }));
    void batcher.store(request({ exportId: 'b'.repeat(32), bytes: Buffer.from('defg'), records: 3 }));
    void batcher.store(request({ signal: 'logs' }));
    await until(() => commits.length === 1);
    expect(commits[0]?.batches).toMatchObject([
      {
        shard: 's0',
        signal: 'traces',
        records: 5,
        acceptedAtMs: 42,
        topologyVersion: 1,
        payload: Buffer.from('abcdefg'),
        slices: [
          { exportId: 'a'.repeat(32), sizeBytes: 3 },
          { exportId: 'b'.repeat(32), sizeBytes: 4 },
        ],
      },
      { signal: 'logs', records: 2 },
    ]);
  });

  it('answers nobody before the queue has stored the batch', async () => {
    const { queue, commits } = controlledQueue();
    let answered = 0;
    const batcher = batcherOf(queue);
    const answers = [request(), request()].map(one => batcher.store(one).then(() => answered++));
    await until(() => commits.length === 1);
    await new Promise(resolve => setTimeout(resolve, 20));
    expect(answered).toBe(0);
    commits[0]?.end({ kind: 'stored' });
    await Promise.all(answers);
    expect(answered).toBe(2);
  });

  it('gathers what arrives during a commit and stores it as the next one', async () => {
    const { queue, commits } = controlledQueue();
    const batcher = batcherOf(queue);
    const first = batcher.store(request());
    await until(() => commits.length === 1);
    const later = [batcher.store(request()), batcher.store(request())];
    await new Promise(resolve => setTimeout(resolve, 3));
    commits[0]?.end({ kind: 'stored' });
    await first;
    await until(() => commits.length === 2);
    expect(commits[1]?.batches[0]?.slices).toHaveLength(2);
    commits[1]?.end({ kind: 'stored' });
    await Promise.all(later);
  });

  it('does not let a commit that hangs hold up the requests behind it', async () => {
    const { queue, commits } = controlledQueue();
    const batcher = batcherOf(queue);
    void batcher.store(request());
    await until(() => commits.length === 1);
    const behind = batcher.store(request());
    await until(() => commits.length === 2);
    commits[1]?.end({ kind: 'stored' });
    expect(await behind).toMatchObject({ kind: 'stored' });
  });

  it('stores the slices of all shards in one call, and answers a request once all of its own are there', async () => {
    const { queue, commits } = controlledQueue();
    const batcher = batcherOf(queue);
    const answer = batcher.store(request({ shards: ['s0', 's1'] }));
    await until(() => commits.length === 1);
    expect(commits[0]?.batches.map(batch => batch.shard)).toEqual(['s0', 's1']);
    commits[0]?.end({ kind: 'stored' });
    expect(await answer).toEqual({ kind: 'stored', isLetGo: true });
  });

  it('stores again, under the same ids, only what is not known to be stored', async () => {
    const { queue, commits } = controlledQueue();
    const batcher = batcherOf(queue);
    const answers = [
      batcher.store(request({ shards: ['s0'] })),
      batcher.store(request({ shards: ['s0', 's1'] })),
    ];
    await until(() => commits.length === 1);
    commits[0]?.end({ kind: 'unknown', reason: 'timed out', shards: new Set(['s1']) });
    expect(await answers[0]).toEqual({ kind: 'stored', isLetGo: false });
    await until(() => commits.length === 2);
    expect(commits[1]?.batches).toEqual(commits[0]?.batches.filter(batch => batch.shard === 's1'));
    commits[1]?.end({ kind: 'stored' });
    expect(await answers[1]).toEqual({ kind: 'stored', isLetGo: false });
  });

  it('stops trying at the deadline of each sender and tells it that the outcome is unknown', async () => {
    const { queue, commits } = controlledQueue();
    const batcher = batcherOf(queue);
    const patient = batcher.store(request({ deadlineMs: 10_000 }));
    const hasty = batcher.store(request({ deadlineMs: 50 }));
    await until(() => commits.length === 1);
    const failure = { kind: 'unknown', reason: 'timed out', shards: new Set(['s0']) } as const;
    commits[0]?.end(failure);
    expect(await hasty).toEqual({ kind: 'unavailable', reason: 'timed out' });
    await until(() => commits.length === 2);
    commits[1]?.end({ kind: 'refused', reason: 'Redis is away' });
    expect(await patient).toEqual({ kind: 'unavailable', reason: 'Redis is away' });
    expect(commits).toHaveLength(2);
  });

  it('says that it let go of the bytes of a sender that gave up when the batch they are in is settled', async () => {
    const { queue, commits } = controlledQueue();
    const batcher = batcherOf(queue);
    const letGo: string[] = [];
    const patient = batcher.store(request({ onLetGo: () => letGo.push('patient') }));
    const hasty = batcher.store(request({ deadlineMs: 50, onLetGo: () => letGo.push('hasty') }));
    await until(() => commits.length === 1);
    commits[0]?.end({ kind: 'unknown', reason: 'timed out', shards: new Set(['s0']) });
    expect((await hasty).kind).toBe('unavailable');
    await until(() => commits.length === 2);
    expect(commits[1]?.batches[0]?.slices).toHaveLength(2);
    expect(letGo).toEqual([]);
    commits[1]?.end({ kind: 'stored' });
    await patient;
    await batcher.drain();
    expect(letGo.toSorted()).toEqual(['hasty', 'patient']);
  });

  it('stores at once when the size is reached, and cuts batches at it', () => {
    const { queue, commits } = controlledQueue();
    const batcher = batcherOf(queue, 10);
    for (let i = 0; i < 3; i++) void batcher.store(request({ bytes: Buffer.alloc(4) }));
    expect(commits).toHaveLength(1);
    expect(commits[0]?.batches.map(batch => batch.payload.length)).toEqual([8, 4]);
  });

  it('cuts a batch at the slices its header can name and at a change of topology', async () => {
    const { queue, commits } = controlledQueue();
    const batcher = batcherOf(queue);
    for (let i = 0; i <= MAX_SLICES_PER_BATCH; i++) void batcher.store(request());
    void batcher.store(request({ topologyVersion: 2 }));
    await until(() => commits.length === 1);
    expect(commits[0]?.batches.map(batch => [batch.slices.length, batch.topologyVersion])).toEqual([
      [MAX_SLICES_PER_BATCH, 1],
      [1, 1],
      [1, 2],
    ]);
  });

  it('tells every sender of a batch when it could not be stored, also when the queue breaks its contract', async () => {
    const { queue, commits } = controlledQueue();
    const batcher = batcherOf(queue);
    const refused = [batcher.store(request()), batcher.store(request())];
    await until(() => commits.length === 1);
    commits[0]?.end({ kind: 'refused', reason: 'Redis is away' });
    expect(await Promise.all(refused)).toEqual([
      { kind: 'unavailable', reason: 'Redis is away' },
      { kind: 'unavailable', reason: 'Redis is away' },
    ]);
    const broken = batcher.store(request());
    await until(() => commits.length === 2);
    commits[1]?.fail(new Error('closed'));
    expect(await broken).toEqual({ kind: 'unavailable', reason: 'the queue failed: closed' });
  });

  it('draining stores what waits and resolves when it was answered', async () => {
    const { queue, commits } = controlledQueue();
    const batcher = batcherOf(queue);
    const answer = batcher.store(request());
    const drained = batcher.drain();
    commits[0]?.end({ kind: 'stored' });
    await drained;
    expect(await answer).toEqual({ kind: 'stored', isLetGo: true });
  });
});
