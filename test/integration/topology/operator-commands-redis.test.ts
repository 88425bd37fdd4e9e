import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { deadLetterCommand } from '../../../src/cli/dead-letter.ts';
import { topologyCommand } from '../../../src/cli/topology.ts';
import type { BatchQueue } from '../../../src/ingest/queue/batch-queue.ts';
import { createBullmqQueue } from '../../../src/ingest/queue/bullmq-queue.ts';
import { claimAll, traceBatch, traceIdsOf } from '../../support/queue-samples.ts';
import { startRedis, type TestRedis, uniqueName } from '../../support/redis.ts';

let redis: TestRedis;
/** As an ingest process has it open. */
let queue: BatchQueue;
beforeAll(async () => {
  redis = await startRedis();
  queue = await createBullmqQueue({
    url: redis.url,
    shards: [],
    leaseMs: 5000,
    clock: { now: Date.now },
    logger: pino({ level: 'silent' }),
  });
});
afterAll(async () => {
  await queue?.stop();
  await redis?.stop();
});

let s0: string;
let s1: string;
let gone: string;
beforeEach(() => {
  [s0, s1, gone] = [uniqueName('s0'), uniqueName('s1'), uniqueName('gone')] as [string, string, string];
});

async function run(
  command: typeof deadLetterCommand,
  argv: readonly string[],
  url = redis.url,
): Promise<{ exitCode: number; stdout: string }> {
  const shards = [s0, s1].map(id => ({ id, otlp: `http://${id}:1`, read: `http://${id}:2` }));
  const stdout = new PassThrough();
  const written = text(stdout);
  const exitCode = await command(argv, {
    stdout,
    stderr: { write: () => true },
    isTty: false,
    env: { OTELFAN_TOPOLOGY: JSON.stringify({ version: 2, shards }), OTELFAN_QUEUE_REDIS_URL: url },
  }).finally(() => stdout.end());
  return { exitCode, stdout: await written };
}

describe('on a queue in Redis, while another process has it open', () => {
  it('topology reroute moves every record to its owner', async () => {
    const traces = Array.from({ length: 40 }, (_, index) => `t${index}`);
    const batches = [
      traceBatch({ shard: gone, slices: [traces] }),
      traceBatch({ shard: gone, slices: [traces] }),
    ];
    await queue.enqueue(batches);
    const { exitCode, stdout } = await run(topologyCommand, ['reroute', gone, '--json']);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'done', batches: 2, records: 80, batchesLeft: 0 });
    const moved = (await Promise.all([s0, s1].map(shard => claimAll(queue, shard)))).flat();
    expect(moved.flatMap(traceIdsOf).sort()).toEqual(batches.flatMap(traceIdsOf).sort());
    for (const trace of new Set(moved.flatMap(traceIdsOf))) {
      expect(
        new Set(moved.filter(batch => traceIdsOf(batch).includes(trace)).map(({ shard }) => shard)).size,
      ).toBe(1);
    }
  });

  it('topology shows depth and held lanes', async () => {
    await queue.enqueue([
      traceBatch({ shard: s0, slices: [['a']] }),
      traceBatch({ shard: gone, slices: [['b']] }),
    ]);
    const { stdout } = await run(topologyCommand, ['--json']);
    const { shards } = JSON.parse(stdout) as { shards: { id: string; state: string; queue: object }[] };
    expect(shards.find(({ id }) => id === s0)).toMatchObject({ state: 'active', queue: { batches: 1 } });
    expect(shards.find(({ id }) => id === gone)).toMatchObject({ state: 'held', queue: { batches: 1 } });
  });

  it('topology shows the map and says so when Redis does not answer', async () => {
    const { exitCode, stdout } = await run(topologyCommand, ['--json'], 'redis://127.0.0.1:1');
    expect(exitCode).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({
      version: 2,
      queueError:
        'the queue in redis://127.0.0.1:1 does not answer: Redis, which holds the queue, is not reachable',
    });
  });

  it('dead letters are listed, shown, replayed and purged', async () => {
    const [first, second] = [
      traceBatch({ shard: s0, slices: [['a']] }),
      traceBatch({ shard: s0, slices: [['b']] }),
    ];
    for (const batch of [first, second]) {
      await queue.enqueue([batch]);
      const claim = await queue.claim(s0, 'oldest');
      if (claim !== undefined) await queue.deadLetter(claim, 'answered 400');
    }
    const list = async () => {
      const { stdout } = await run(deadLetterCommand, ['list', '--shard', s0]);
      return stdout
        .split('\n')
        .flatMap(line => (line === '' ? [] : [(JSON.parse(line) as { id: string }).id]));
    };
    expect(await list()).toEqual([first.id, second.id]);
    const shown = await run(deadLetterCommand, ['show', first.id, '--shard', s0]);
    expect(JSON.parse(shown.stdout)).toMatchObject({
      reason: 'answered 400',
      content: { resourceSpans: [{}] },
    });
    const replayed = await run(deadLetterCommand, ['replay', '--shard', s0, '--id', first.id]);
    expect(JSON.parse(replayed.stdout)).toEqual({ replayed: 1, records: 1 });
    expect((await claimAll(queue, s0)).map(({ id }) => id)).toEqual([first.id]);
    const purged = await run(deadLetterCommand, ['purge', '--shard', s0, '--yes']);
    expect(JSON.parse(purged.stdout)).toEqual({ purged: 1, records: 1 });
    expect(await list()).toEqual([]);
  });
});
