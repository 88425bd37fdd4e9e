import { Redis } from 'ioredis';
import { type Address, startAddress } from '../../support/address.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import type { Scenario, Trial } from '../scenario.ts';

interface Pair {
  /** The one that ingest knows. */
  readonly address: Address;
  readonly master: TestRedis;
  readonly replica: TestRedis;
}

/** A coordinated fail-over to a replica, as for maintenance: what is replicated by then is all there is. */
export const redisFailoverScenario: Scenario = {
  name: 'Redis fails over to its replica',
  queues: ['redis'],
  async arrange({ cleanup }) {
    const durable = ['--appendfsync', 'always'];
    const master = await startRedis({ args: durable });
    cleanup(() => master.stop());
    const replica = await startRedis({ args: [...durable, '--replicaof', '127.0.0.1', String(master.port)] });
    cleanup(() => replica.stop());
    const address = await startAddress(master.port);
    cleanup(() => address.close());
    return {
      site: { redisUrl: `redis://127.0.0.1:${address.port}` },
      run: trial => failOver(trial, { address, master, replica }),
    };
  },
};

async function failOver(trial: Trial, { address, master, replica }: Pair): Promise<void> {
  const [old, successor] = [new Redis(master.url), new Redis(replica.url)];
  const isMaster = async (redis: Redis) => (await redis.info('replication')).includes('role:master');
  try {
    await trial.until(
      async () => (await old.info('replication')).includes('state=online'),
      'the replica follows',
    );
    await trial.flow();
    trial.note('fail-over begins');
    await old.call('FAILOVER');
    await trial.until(() => isMaster(successor), 'the replica is the master');
    // Until the address leads there, ingest meets a master that has become a replica.
    await trial.pause(100, 1000);
    trial.note('the address leads to the new master');
    address.leadTo(replica.port);
    await trial.flow();
  } finally {
    old.disconnect();
    successor.disconnect();
  }
}
