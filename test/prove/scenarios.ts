import type { Scenario } from './scenario.ts';
import { clockScenario } from './scenarios/clock.ts';
import { fullDiskScenario } from './scenarios/full-disk.ts';
import { idleScenario } from './scenarios/idle.ts';
import { killScenarios } from './scenarios/kill.ts';
import { poisonScenario } from './scenarios/poison.ts';
import { powerCutScenario } from './scenarios/power-cut.ts';
import { queueLimitScenario } from './scenarios/queue-limit.ts';
import { redisScenarios } from './scenarios/redis.ts';
import { redisFailoverScenario } from './scenarios/redis-failover.ts';
import { repeatScenarios } from './scenarios/repeats.ts';
import { rollingScenario } from './scenarios/rolling.ts';
import { shardNetworkScenarios } from './scenarios/shard-network.ts';
import { stopScenario } from './scenarios/stop.ts';
import { topologyScenario } from './scenarios/topology.ts';
import { uploadsScenario } from './scenarios/uploads.ts';
import type { QueueKind } from './site.ts';

/** In the order in which they run. */
export const SCENARIOS: readonly Scenario[] = [
  ...killScenarios,
  stopScenario,
  rollingScenario,
  powerCutScenario,
  ...redisScenarios,
  redisFailoverScenario,
  ...shardNetworkScenarios,
  fullDiskScenario,
  poisonScenario,
  ...repeatScenarios,
  topologyScenario,
  clockScenario,
  queueLimitScenario,
  uploadsScenario,
  idleScenario,
];

const QUICK: Readonly<Record<QueueKind, readonly string[]>> = {
  lmdb: ['kill -9: ingest', 'shard hangs'],
  redis: ['kill -9: shard', 'Redis killed'],
};

/** Less than a minute's worth on two cores, and none that needs a site of its own: starting one takes longest. */
export const QUICK_SLICE: readonly Scenario[] = SCENARIOS.map(scenario => ({
  ...scenario,
  queues: scenario.queues.filter(queue => QUICK[queue].includes(scenario.name)),
})).filter(({ queues }) => queues.length > 0);
