import { Redis } from 'ioredis';
import type { TestRedis } from '../../support/redis.ts';
import type { Scenario, Trial } from '../scenario.ts';

interface Kind {
  readonly name: string;
  readonly begin: (redis: TestRedis, admin: Redis) => unknown;
  readonly end: (redis: TestRedis, admin: Redis) => unknown;
}

const KINDS: readonly Kind[] = [
  { name: 'killed', begin: redis => redis.kill(), end: redis => redis.start() },
  { name: 'restarted', begin: redis => redis.shutDown(), end: redis => redis.start() },
  { name: 'paused', begin: redis => redis.pause(), end: redis => redis.resume() },
  {
    name: 'out of memory',
    begin: (_, admin) => admin.config('SET', 'maxmemory', '1mb'),
    end: (_, admin) => admin.config('SET', 'maxmemory', '0'),
  },
  {
    name: 'read-only',
    begin: (_, admin) => admin.replicaof('127.0.0.1', 1),
    end: (_, admin) => admin.replicaof('NO', 'ONE'),
  },
];

const ROUNDS = 2;

export const redisScenarios: readonly Scenario[] = KINDS.map(
  ({ name, begin, end }): Scenario => ({
    name: `Redis ${name}`,
    queues: ['redis'],
    async run(trial) {
      const { redis } = trial.site;
      if (redis === undefined) throw new Error('the site has no Redis of its own');
      const admin = new Redis(redis.url, { retryStrategy: () => 100 });
      admin.on('error', () => undefined);
      try {
        for (let round = 0; round < ROUNDS; round += 1) {
          await trial.flow();
          const before = refused(trial);
          trial.note(`Redis ${name}`);
          await begin(redis, admin);
          await trial.pause(300, 2000);
          await trial.until(() => refused(trial) > before, 'senders notice');
          trial.note('Redis is well again');
          await end(redis, admin);
        }
      } finally {
        admin.disconnect();
      }
    },
  }),
);

function refused(trial: Trial): number {
  return trial.refusals().reduce((sum, { count }) => sum + count, 0);
}
