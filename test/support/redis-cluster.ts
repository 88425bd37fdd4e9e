import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort, startRedis, type TestRedis } from './redis.ts';

export interface TestRedisCluster {
  /** Address of the first node, from which the others are found. */
  readonly url: string;
  readonly nodes: readonly TestRedis[];
  /** Which of the nodes holds a key. */
  nodeOf(key: string): Promise<TestRedis>;
  stop(): Promise<void>;
}

const SLOTS = 16_384;
const MEETING_TIMEOUT_MS = 20_000;

/** A Redis Cluster of masters without replicas, each a redis-server of the test's own. */
export async function startRedisCluster(size = 3): Promise<TestRedisCluster> {
  const nodes: TestRedis[] = [];
  for (let index = 0; index < size; index += 1) nodes.push(await startNode());
  const admins = nodes.map(node => new Redis(node.url));
  try {
    await form(nodes, admins);
  } finally {
    for (const admin of admins) admin.disconnect();
  }
  return {
    url: (nodes[0] as TestRedis).url,
    nodes,
    async nodeOf(key) {
      const admin = new Redis((nodes.find(node => node.isRunning()) as TestRedis).url);
      const slot = Number(await admin.cluster('KEYSLOT', key));
      admin.disconnect();
      return nodes[nodeIndexOf(slot, size)] as TestRedis;
    },
    async stop() {
      await Promise.all(nodes.map(node => node.stop()));
    },
  };
}

async function startNode(): Promise<TestRedis> {
  const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'];
  // A node that is down costs its own slots only.
  return startRedis({
    port: await portWithBus(),
    args: [...args, '--cluster-require-full-coverage', 'no'],
  });
}

/** Nodes talk to each other on a second port, always this much above the first. */
const BUS_OFFSET = 10_000;

async function portWithBus(): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (port + BUS_OFFSET > 65_535) continue;
    try {
      await freePort(port + BUS_OFFSET);
      return port;
    } catch {
      // Somebody has the second one.
    }
  }
}

function firstSlotOf(index: number, size: number): number {
  return Math.ceil((index * SLOTS) / size);
}

function nodeIndexOf(slot: number, size: number): number {
  return Math.floor((slot * size) / SLOTS);
}

async function form(nodes: readonly TestRedis[], admins: readonly Redis[]): Promise<void> {
  for (const [index, admin] of admins.entries()) {
    const [first, last] = [firstSlotOf(index, nodes.length), firstSlotOf(index + 1, nodes.length) - 1];
    await admin.cluster('ADDSLOTSRANGE', first, last);
    await admin.cluster('SET-CONFIG-EPOCH', index + 1);
  }
  for (const node of nodes.slice(1)) await admins[0]?.cluster('MEET', '127.0.0.1', node.port);
  const deadline = Date.now() + MEETING_TIMEOUT_MS;
  while (!(await isFormed(admins))) {
    if (Date.now() > deadline) throw new Error('the Redis Cluster did not form');
    await sleep(50);
  }
}

async function isFormed(admins: readonly Redis[]): Promise<boolean> {
  const infos = await Promise.all(admins.map(admin => admin.cluster('INFO')));
  return infos.every(
    info =>
      String(info).includes('cluster_state:ok') && String(info).includes(`cluster_slots_assigned:${SLOTS}`),
  );
}
