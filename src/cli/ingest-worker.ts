import { createTelemetry } from '../ingest/telemetry/telemetry.ts';
import { once } from '../shared/lifecycle.ts';
import { createHash } from '../shared/topology/hash.ts';
import { createTopology } from '../shared/topology/topology.ts';
import { startDoors } from './compose/ingest.ts';
import { openQueue } from './compose/queue.ts';
import type { FromWorker, ToWorker } from './compose/worker-messages.ts';
import { keepYoungGenerationSmall } from './compose/young-generation.ts';
import { EXIT, UserError } from './exit-codes.ts';
import { createLogger } from './serve.ts';

const ADMISSION_INTERVAL_MS = 500;

type Start = Extract<ToWorker, { type: 'start' }>;

/**
 * A worker of `otelfan ingest` or `otelfan up`: takes requests and puts them into the queue. It ends when its primary
 * says so or, by itself, when the primary is gone: `node:cluster` sees to that.
 */
export async function ingestWorkerCommand(): Promise<number> {
  if (process.send === undefined) {
    throw new UserError('ingest-worker is started by otelfan ingest; run that instead', EXIT.usage);
  }
  keepYoungGenerationSmall();
  // A terminal sends these to every process; the primary is the one that decides.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
  const mail = openMailbox();
  tell({ type: 'online' });
  const worker = await startWorker(await mail.start, mail).catch((error: unknown) => {
    if (!(error instanceof UserError)) throw error;
    tell({ type: 'failed', reason: error.message });
    return undefined;
  });
  if (worker !== undefined) {
    await mail.stop;
    await worker.stop();
  }
  process.disconnect();
  return worker === undefined ? EXIT.failed : EXIT.ok;
}

async function startWorker({ number, config, topology: spec }: Start, mail: Mailbox) {
  const logger = createLogger(config.logLevel, `ingest worker ${number}`);
  const hash = await createHash();
  let topology = createTopology(spec, hash);
  mail.onTopology = changed => {
    topology = createTopology(changed, hash);
    logger.info({ topologyVersion: topology.version }, 'the topology changed');
  };
  const telemetry = createTelemetry(`worker-${number}`);
  mail.onSnapshot = id =>
    void telemetry.snapshot().then(
      snapshot => tell({ type: 'snapshot', id, snapshot }),
      (error: unknown) => logger.error({ err: error }, 'metrics could not be read'),
    );
  // Lanes are the primary's.
  const queue = await openQueue({ config, shards: [], claims: false, logger });
  queue.onEnqueued(tellOncePerTurn());
  const doors = await startDoors({ config, topology: () => topology, hash, queue, telemetry, logger }).catch(
    async (error: unknown) => {
      await queue.stop();
      throw error;
    },
  );
  let lastReason: string | undefined;
  const admission = setInterval(() => {
    const reason = doors.refusalReason();
    if (reason !== lastReason) tell({ type: 'admission', reason });
    lastReason = reason;
  }, ADMISSION_INTERVAL_MS);
  tell({ type: 'listening', httpPort: doors.httpPort, grpcPort: doors.grpcPort });
  logger.info('ingest worker is ready');
  return {
    stop: once(async () => {
      logger.info('stopping');
      clearInterval(admission);
      await doors.stop();
      await queue.stop();
    }),
  };
}

interface Mailbox {
  readonly start: Promise<Start>;
  readonly stop: Promise<void>;
  onTopology: (spec: Start['topology']) => void;
  onSnapshot: (id: number) => void;
}

function openMailbox(): Mailbox {
  const start = Promise.withResolvers<Start>();
  const stop = Promise.withResolvers<void>();
  const mailbox: Mailbox = {
    start: start.promise,
    stop: stop.promise,
    onTopology: () => {},
    onSnapshot: () => {},
  };
  process.on('SIGTERM', stop.resolve);
  process.on('message', (message: ToWorker) => {
    switch (message.type) {
      case 'start':
        return start.resolve(message);
      case 'topology':
        return mailbox.onTopology(message.topology);
      case 'snapshot':
        return mailbox.onSnapshot(message.id);
      case 'stop':
        return stop.resolve();
    }
  });
  return mailbox;
}

function tell(message: FromWorker): void {
  // Without a channel the primary is gone, and so is this process in a moment.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

/** One message for all that was enqueued in a turn of the event loop. */
function tellOncePerTurn(): (shard: string) => void {
  const shards = new Set<string>();
  return shard => {
    if (shards.size === 0) {
      setImmediate(() => {
        tell({ type: 'enqueued', shards: [...shards] });
        shards.clear();
      });
    }
    shards.add(shard);
  };
}
