import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type Component, once } from '../shared/lifecycle.ts';
import type { ShardSpec, Topology } from '../shared/topology/topology.ts';
import type { TopologySource } from '../shared/topology/topology-source.ts';
import type { BatchQueue, LaneStats } from './queue/batch-queue.ts';

/** What the set needs to know of a lane. */
interface RunningLane<State> extends Component {
  state(): State;
}

/** A lane with batches whose shard is not in the topology: nobody knows where to deliver them. */
interface HeldLane extends Pick<LaneStats, 'batches' | 'sizeBytes' | 'oldestAcceptedAtMs'> {
  readonly shard: string;
}

/** The running lanes of one process: one for each shard of the topology, whatever the shard's state. */
export interface LaneSet<State> extends Component {
  /** By shard, in the order of the topology. */
  states(): ReadonlyMap<string, State>;
  /** As of the last look, by shard id. */
  held(): readonly HeldLane[];
}

export interface LaneSetParts<State> {
  readonly topology: Pick<TopologySource, 'current' | 'onChange'>;
  readonly queue: Pick<BatchQueue, 'shards' | 'stats'>;
  /** Starts a lane that delivers to the shard's address. Its `stop` finishes what it has in hand. */
  readonly laneFor: (shard: ShardSpec) => RunningLane<State>;
  /** Pause between looks for lanes that are held. */
  readonly lookIntervalMs: number;
  readonly logger: Logger;
}

/**
 * Keeps the lanes in step with the topology. A shard that moves to another address gets a new lane while the old one
 * finishes what it has on the way: both may claim, the queue hands out each batch once. A shard that left the
 * topology loses its lane and keeps its batches; they are told of until it comes back or they are re-routed.
 */
export function createLaneSet<State>(parts: LaneSetParts<State>): LaneSet<State> {
  const { topology, queue, laneFor, logger } = parts;
  const lanes = new Map<string, { readonly shard: ShardSpec; readonly lane: RunningLane<State> }>();
  const ending = new Set<Promise<void>>();
  const stopping = new AbortController();
  let held: readonly HeldLane[] = [];

  function end({ shard, lane }: { readonly shard: ShardSpec; readonly lane: RunningLane<State> }): void {
    const ended = lane
      .stop()
      .catch((error: unknown) => logger.error({ err: error, shard: shard.id }, 'a lane did not stop cleanly'))
      .finally(() => ending.delete(ended));
    ending.add(ended);
  }

  function follow({ all }: Topology): void {
    if (stopping.signal.aborted) return;
    const wanted = new Map(all.map(shard => [shard.id, shard]));
    for (const [id, running] of lanes) {
      const shard = wanted.get(id);
      if (shard !== undefined && isSameDestination(shard, running.shard)) continue;
      lanes.delete(id);
      end(running);
    }
    for (const shard of all) {
      if (!lanes.has(shard.id)) lanes.set(shard.id, { shard, lane: laneFor(shard) });
    }
  }

  async function lookForHeld(): Promise<void> {
    const found = await heldLanes(queue, topology.current());
    for (const { shard, batches, sizeBytes } of found) {
      if (held.some(known => known.shard === shard)) continue;
      logger.warn(
        { shard, batches, sizeBytes },
        `shard ${shard} is not in the topology and has undelivered batches; they are held until it is back, or until: otelfan topology reroute ${shard}`,
      );
    }
    for (const { shard } of held) {
      if (!found.some(still => still.shard === shard)) logger.info({ shard }, 'no batches are held any more');
    }
    held = found;
  }

  async function lookForever(): Promise<void> {
    while (!stopping.signal.aborted) {
      await lookForHeld().catch((error: unknown) =>
        logger.debug({ err: error }, 'the queue does not say which lanes it holds'),
      );
      await sleep(parts.lookIntervalMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  follow(topology.current());
  topology.onChange(follow);
  const looking = lookForever();

  return {
    states: () =>
      new Map(
        topology.current().all.flatMap(({ id }) => {
          const running = lanes.get(id);
          return running === undefined ? [] : [[id, running.lane.state()] as const];
        }),
      ),
    held: () => held,
    stop: once(async () => {
      stopping.abort();
      for (const running of lanes.values()) end(running);
      lanes.clear();
      await Promise.all([...ending, looking]);
    }),
  };
}

/** Lanes of the queue with batches, whose shard the topology does not have; by shard id. */
async function heldLanes(
  queue: Pick<BatchQueue, 'shards' | 'stats'>,
  { all }: Topology,
): Promise<HeldLane[]> {
  const known = new Set(all.map(shard => shard.id));
  const unknown = (await queue.shards()).filter(shard => !known.has(shard)).sort();
  const lanes = await Promise.all(
    unknown.map(async shard => {
      const { batches, sizeBytes, oldestAcceptedAtMs } = await queue.stats(shard);
      return { shard, batches, sizeBytes, oldestAcceptedAtMs };
    }),
  );
  return lanes.filter(lane => lane.batches > 0);
}

function isSameDestination(a: ShardSpec, b: ShardSpec): boolean {
  return a.kind === b.kind && a.otlp === b.otlp;
}
