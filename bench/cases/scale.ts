import type { Figures } from '../figures.ts';
import { ingestFigures } from '../scale/ingest-figures.ts';
import { queryFigures } from '../scale/query-figures.ts';
import { topologyFigures } from '../scale/topology-figures.ts';

const SHARDS = [4, 16, 64, 256];
/** Over this many replicas shards are counted, and over this many shards replicas. */
const REPLICAS_WITH_SHARDS = 2;
const SHARDS_WITH_REPLICAS = 16;
const REPLICAS = [1, 4, 16, 64];
/** More of them on a few cores wait for each other until they take Redis for dead. */
const MOST_LOADED_REPLICAS = 16;

/**
 * What grows with the number of shards and of replicas, on one machine: shards answer from memory or keep nothing, and
 * replicas share a process. CPU time, counts of Redis and counts of sockets are measured; how long anything takes is not,
 * as everything shares a few cores.
 */
export async function benchScale({ quick }: { readonly quick: boolean }): Promise<Figures> {
  const figures: Record<string, number> = {};
  const seconds = quick ? 1.5 : 6;
  const add = (name: string, found: Figures) => {
    console.log(`${name}: ${JSON.stringify(found)}`);
    for (const [figure, value] of Object.entries(found)) figures[`${name}_${figure}`] = value;
  };
  const some = (counts: readonly number[]) => (quick ? [counts[0] as number, counts[2] as number] : counts);
  for (const shards of SHARDS) add(`shards_${shards}`, topologyFigures(shards));
  for (const shards of some(SHARDS)) add(`shards_${shards}`, await queryFigures({ shards, seconds }));
  for (const shards of some(SHARDS)) {
    const replicas = REPLICAS_WITH_SHARDS;
    add(`shards_${shards}`, await ingestFigures({ shards, replicas, seconds, isLoaded: true }));
  }
  for (const replicas of quick ? [4] : REPLICAS) {
    const isLoaded = replicas <= MOST_LOADED_REPLICAS;
    add(
      `replicas_${replicas}`,
      await ingestFigures({ shards: SHARDS_WITH_REPLICAS, replicas, seconds, isLoaded }),
    );
  }
  return figures;
}
