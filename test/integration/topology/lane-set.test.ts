import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLaneSet, type LaneSet } from '../../../src/ingest/lane-set.ts';
import type { BatchQueue } from '../../../src/ingest/queue/batch-queue.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { createTopology, type ShardSpec, type Topology } from '../../../src/shared/topology/topology.ts';
import { newBatch } from '../../conformance/new-batch.ts';
import { openDataFolderQueue } from '../../support/queue-samples.ts';
import { shardSpec } from '../../support/stub-shard.ts';
import { temporaryFolder } from '../../support/systems.ts';

const hash = await createHash();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let queue: BatchQueue;
let lanes: LaneSet<string> | undefined;
let warnings: string[];
beforeEach(async () => {
  folder = await temporaryFolder();
  queue = await openDataFolderQueue(folder.path);
  warnings = [];
});
afterEach(async () => {
  await lanes?.stop();
  await queue.stop();
  await folder.remove();
});

/** A topology that a test changes by hand. */
function changeable(...shards: ShardSpec[]) {
  const listeners: ((topology: Topology) => void)[] = [];
  let current = createTopology({ version: 1, shards }, hash);
  return {
    current: () => current,
    onChange: (listener: (topology: Topology) => void) => void listeners.push(listener),
    become(...next: ShardSpec[]) {
      current = createTopology({ version: current.version + 1, shards: next }, hash);
      for (const listener of listeners) listener(current);
    },
  };
}

/** Every lane that was ever started, by where it delivers to. */
function start(topology: ReturnType<typeof changeable>) {
  const started: string[] = [];
  const stopped: string[] = [];
  const logger = pino(
    { level: 'warn' },
    { write: (line: string) => void warnings.push((JSON.parse(line) as { msg: string }).msg) },
  );
  lanes = createLaneSet({
    topology,
    queue,
    laneFor: ({ id, otlp }) => {
      const name = `${id} at ${new URL(otlp).port}`;
      started.push(name);
      return {
        state: () => name,
        stop: () => {
          stopped.push(name);
          return Promise.resolve();
        },
      };
    },
    lookIntervalMs: 20,
    logger,
  });
  return { started, stopped, lanes };
}

const POLL = { timeout: 10_000 };

describe('the lanes of a process', () => {
  it('are one for each shard of the topology, whatever its state', () => {
    const { lanes } = start(
      changeable(
        shardSpec('s0', 1),
        { ...shardSpec('s1', 2), state: 'draining' },
        { ...shardSpec('s2', 3), state: 'removed' },
      ),
    );
    expect([...lanes.states()]).toEqual([
      ['s0', 's0 at 1'],
      ['s1', 's1 at 2'],
      ['s2', 's2 at 3'],
    ]);
  });

  it('are kept when a change does not concern where they deliver to', () => {
    const topology = changeable(shardSpec('s0', 1), shardSpec('s1', 2));
    const { started, stopped } = start(topology);
    topology.become(
      { ...shardSpec('s0', 1), state: 'draining', weight: 3 },
      shardSpec('s1', 2),
      shardSpec('s2', 3),
    );
    expect(started).toEqual(['s0 at 1', 's1 at 2', 's2 at 3']);
    expect(stopped).toEqual([]);
  });

  it('are replaced when their shard has another address', () => {
    const topology = changeable(shardSpec('s0', 1));
    const { lanes, stopped } = start(topology);
    topology.become(shardSpec('s0', 9));
    expect([...lanes.states().values()]).toEqual(['s0 at 9']);
    expect(stopped).toEqual(['s0 at 1']);
  });

  it('all end with the set, and no change starts one afterwards', async () => {
    const topology = changeable(shardSpec('s0', 1), shardSpec('s1', 2));
    const { lanes, started, stopped } = start(topology);
    await lanes.stop();
    topology.become(shardSpec('s5', 5));
    expect(stopped).toEqual(started);
    expect(started).toHaveLength(2);
  });
});

describe('a shard that left the topology', () => {
  it('keeps its batches, is told of once with the command that moves them, and gets them when it is back', async () => {
    const topology = changeable(shardSpec('s0', 1), shardSpec('s1', 2));
    await queue.enqueue([newBatch('s1'), newBatch('s1')]);
    const { lanes, stopped, started } = start(topology);
    topology.become(shardSpec('s0', 1));
    expect(stopped).toEqual(['s1 at 2']);
    await expect.poll(() => lanes.held(), POLL).toMatchObject([{ shard: 's1', batches: 2 }]);
    expect(warnings).toEqual([expect.stringContaining('otelfan topology reroute s1')]);

    topology.become(shardSpec('s0', 1), shardSpec('s1', 7));
    expect(started.at(-1)).toBe('s1 at 7');
    await expect.poll(() => lanes.held(), POLL).toEqual([]);
    expect(await queue.stats('s1')).toMatchObject({ batches: 2 });
    expect(warnings).toHaveLength(1);
  });

  it('is not told of when nothing is queued for it', async () => {
    const topology = changeable(shardSpec('s0', 1));
    await queue.enqueue([newBatch('s1'), newBatch('s2')]);
    const claim = await queue.claim('s1', 'oldest');
    if (claim !== undefined) await queue.ack(claim);
    const { lanes } = start(topology);
    await expect.poll(() => lanes.held().map(lane => lane.shard), POLL).toEqual(['s2']);
  });
});
