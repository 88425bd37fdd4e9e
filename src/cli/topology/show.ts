import type { LaneStats } from '../../ingest/queue/batch-queue.ts';
import type { Config } from '../../shared/config/schema.ts';
import { SLOT_COUNT } from '../../shared/topology/hash.ts';
import { slotCounts } from '../../shared/topology/movement.ts';
import type { Topology } from '../../shared/topology/topology.ts';
import { withExistingQueue } from '../compose/existing-queue.ts';
import { urlOf } from '../compose/ready-line.ts';
import { EXIT, UserError } from '../exit-codes.ts';
import { createLogger } from '../serve.ts';
import { fetchHotKeys } from './hot-keys.ts';
import { type Overview, recordsOf, type ShardLine } from './overview.ts';
import { overviewText } from './overview-text.ts';
import { TOPOLOGY_EXIT, type TopologyTaskInput } from './task.ts';

/** `otelfan topology`: the map, and how its lanes fare. */
export async function showTopology({ parsed, config, known, io }: TopologyTaskInput): Promise<number> {
  const [lanes, hotKeys] = await Promise.all([
    readLanes(config, known.topology),
    fetchHotKeys(metricsUrl(parsed.text('ingest-metrics'), config)),
  ]);
  const overview: Overview = {
    version: known.topology.version,
    shards: shardLines(known.topology, typeof lanes === 'string' ? new Map() : lanes),
    ...(typeof lanes === 'string' && { queueError: lanes }),
    ...(typeof hotKeys === 'string' ? { hotKeysError: hotKeys } : { hotKeys }),
  };
  const asJson = parsed.isSet('json');
  io.stdout.write(asJson ? `${JSON.stringify(overview, null, 2)}\n` : overviewText(overview, Date.now()));
  return overview.queueError === undefined ? EXIT.ok : TOPOLOGY_EXIT.notAll;
}

async function readLanes(
  config: Config,
  { all }: Topology,
): Promise<ReadonlyMap<string, LaneStats> | string> {
  const ids = all.map(shard => shard.id);
  try {
    return await withExistingQueue(
      { config, shards: ids, logger: createLogger('error', 'topology') },
      async (queue, lanes) => {
        const stats = [...new Set([...ids, ...lanes])].map(async id => [id, await queue.stats(id)] as const);
        return new Map(await Promise.all(stats));
      },
    );
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

function shardLines(topology: Topology, lanes: ReadonlyMap<string, LaneStats>): ShardLine[] {
  const { all } = topology;
  const slots = slotCounts(topology);
  const total = [...lanes.values()].reduce((sum, { accepted }) => sum + recordsOf(accepted), 0);
  const ofQueue = (id: string) => {
    const queue = lanes.get(id);
    if (queue === undefined) return {};
    return { queue, acceptedShare: total === 0 ? 0 : recordsOf(queue.accepted) / total };
  };
  const known = all.map(({ id, kind, state, weight }) => {
    const owned = slots.get(id) ?? 0;
    return { id, kind, state, weight, slots: owned, share: owned / SLOT_COUNT, ...ofQueue(id) };
  });
  const held = [...lanes]
    .filter(([id, { batches }]) => batches > 0 && !all.some(shard => shard.id === id))
    .map(([id]) => ({ id, state: 'held' as const, slots: 0, share: 0, ...ofQueue(id) }));
  return [...known, ...held];
}

function metricsUrl(given: string | undefined, { ingest }: Config): URL {
  const { host, port } = ingest.metrics;
  const url = URL.parse(given ?? urlOf('http', host, port));
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new UserError(`--ingest-metrics ${given}: expected a URL with http:// or https://`, EXIT.usage);
  }
  if (url.pathname === '/') url.pathname = '/metrics';
  return url;
}
