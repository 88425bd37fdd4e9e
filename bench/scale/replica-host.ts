import { pino } from 'pino';
import { startIngest } from '../../src/cli/compose/ingest.ts';
import type { Ingest } from '../../src/ingest/create-ingest.ts';
import { loadConfig } from '../../src/shared/config/load.ts';
import { createHash } from '../../src/shared/topology/hash.ts';
import { createTopology } from '../../src/shared/topology/topology.ts';
import { fixedTopology } from '../../src/shared/topology/topology-source.ts';
import { obeyOrders } from '../load/child.ts';
import type { ReplicaHostOrder, ReplicaHostState } from './replica-host-client.ts';

/*
 * Any number of ingest replicas in one process, whole but for their workers and their health port: doors, lanes of every
 * shard, and a connection to Redis each.
 */

const replicas: Ingest[] = [];

function configFor({ redisUrl }: { redisUrl: string }) {
  const loaded = loadConfig({
    env: {
      OTELFAN_INGEST_HTTP_PORT: '0',
      OTELFAN_INGEST_GRPC_PORT: '0',
      OTELFAN_INGEST_METRICS_PORT: '0',
      OTELFAN_QUEUE_REDIS_URL: redisUrl,
      // So many replicas in one process are late with everything, which is no reason to refuse.
      OTELFAN_INGEST_MAX_EVENT_LOOP_DELAY: '1h',
    },
  });
  if (!loaded.ok) throw new Error(loaded.errors.join('; '));
  return loaded.config;
}

obeyOrders<ReplicaHostOrder>(async order => {
  switch (order.kind) {
    case 'start': {
      const hash = await createHash();
      const shards = order.shardPorts.map((port, index) => ({
        id: `s${index}`,
        kind: 'embedded' as const,
        otlp: `http://127.0.0.1:${port}`,
        read: `http://127.0.0.1:${port}`,
        weight: 1,
        state: 'active' as const,
      }));
      const topology = fixedTopology(createTopology({ version: 1, shards }, hash));
      const config = configFor(order);
      const logger = pino({ level: 'error' });
      for (let replica = 0; replica < order.replicas; replica++) {
        const { metrics } = config.ingest;
        replicas.push(await startIngest({ config, topology, hash, logger, workers: 1, metrics }));
      }
      break;
    }
    case 'look':
      break;
    default:
      order satisfies never;
  }
  const { user, system } = process.cpuUsage();
  return {
    httpPorts: replicas.map(replica => replica.httpPort),
    cpuSeconds: (user + system) / 1e6,
  } satisfies ReplicaHostState;
});
