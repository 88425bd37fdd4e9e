// Runs the lane of a shard on a Redis queue until it is killed. Arguments: <redis url> <shard> <otlp url> <lease ms>
import { pino } from 'pino';
import { createLane } from '../../src/ingest/delivery/lane.ts';
import { createShardSender } from '../../src/ingest/delivery/shard-sender.ts';
import { createBullmqQueue } from '../../src/ingest/queue/bullmq-queue.ts';
import { steadyClock, systemClock } from '../../src/shared/time.ts';

const [url = '', shard = '', baseUrl = '', leaseMs = ''] = process.argv.slice(2);
const common = { clock: systemClock, logger: pino({ level: 'silent' }) };
const queue = await createBullmqQueue({ ...common, url, shards: [shard], leaseMs: Number(leaseMs) });
const timeoutMs = Number(leaseMs) / 2;
const { send } = createShardSender({ shard, kind: 'embedded', baseUrl, timeoutMs, clock: systemClock });
createLane({
  steady: steadyClock,
  ...common,
  shard,
  queue,
  send,
  events: { sent: () => undefined, shardRefused: () => undefined, deadLettered: () => undefined },
  options: { concurrency: 4, retryInitialMs: 20, retryMaxMs: 200, horizonMs: 3_600_000, idlePollMs: 50 },
  random: Math.random,
});
