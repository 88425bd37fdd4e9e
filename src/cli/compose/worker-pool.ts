import cluster from 'node:cluster';
import type { Logger } from 'pino';
import type { FrontDoors } from '../../ingest/create-ingest.ts';
import { countersOf, type MetricsSnapshot, type Telemetry } from '../../ingest/telemetry/telemetry.ts';
import type { Config } from '../../shared/config/schema.ts';
import { once } from '../../shared/lifecycle.ts';
import type { Topology, TopologySpec } from '../../shared/topology/topology.ts';
import type { TopologySource } from '../../shared/topology/topology-source.ts';
import { within } from '../../shared/within.ts';
import { UserError } from '../exit-codes.ts';
import { WORKER_COMMAND } from './worker-messages.ts';
import { type Ending, forkWorker, type Listening, type WorkerProcess } from './worker-process.ts';

interface WorkerPoolOptions {
  readonly count: number;
  readonly config: Config;
  readonly topology: Pick<TopologySource, 'current' | 'onChange'>;
  /** The CLI's entry file. */
  readonly entry: string;
  /** Told when a worker enqueued for a shard. */
  readonly onEnqueued: (shard: string) => void;
  readonly telemetry: Telemetry;
  readonly logger: Logger;
}

const RESTART_FIRST_MS = 250;
const RESTART_MAX_MS = 10_000;
/** A worker that lived this long was healthy: its end is a new story. */
const STABLE_AFTER_MS = 30_000;
/** Longer than the doors of a worker wait for the requests in hand. */
const STOP_GRACE_MS = 20_000;
const SNAPSHOT_LIMIT_MS = 1000;

/**
 * Starts worker processes and keeps them: one that ends is started again after a pause that grows, while the others
 * serve. Resolves when all of them listen; rejects when one could not start.
 */
export async function startWorkers(options: WorkerPoolOptions): Promise<FrontDoors> {
  const { count, config, topology, telemetry, logger } = options;
  // Round robin by the primary, not `reusePort`: with that a foreign process could take part of a port.
  cluster.setupPrimary({
    exec: options.entry,
    args: [WORKER_COMMAND],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const seats: Seat[] = Array.from({ length: count }, (_, index) => ({
    number: index + 1,
    restartMs: RESTART_FIRST_MS,
    startedAtMs: 0,
    worker: undefined,
    topology: undefined,
    timer: undefined,
  }));
  const allListen = Promise.withResolvers<Listening>();
  let bound: Listening | undefined;
  let isReady = false;
  let isStopping = false;
  let restarts = 0;
  /** What workers that are gone had counted. */
  let gone: MetricsSnapshot = [];

  const running = () => seats.flatMap(({ worker }) => (worker === undefined ? [] : [worker]));
  const listening = () => running().filter(worker => worker.isListening());

  /**
   * Workers share a socket by asking for the same address, "any port" included. When the last of them is gone the
   * socket is, too, and from then on the port is asked for that it had.
   */
  let isSocketLost = false;
  function configNow(): Config {
    if (bound === undefined || !isSocketLost) return config;
    const { http, grpc } = config.ingest;
    const ingest = {
      ...config.ingest,
      http: { ...http, port: bound.httpPort },
      grpc: { ...grpc, port: bound.grpcPort },
    };
    return { ...config, ingest };
  }

  function start(seat: Seat): void {
    seat.startedAtMs = performance.now();
    const worker = forkWorker({
      online() {
        seat.topology = topology.current();
        return { type: 'start', number: seat.number, config: configNow(), topology: specOf(seat.topology) };
      },
      listening: at => listens(seat, at),
      enqueued: shards => {
        for (const shard of shards) options.onEnqueued(shard);
      },
      ended: ending => ended(seat, ending),
    });
    seat.worker = worker;
  }

  function listens(seat: Seat, at: Listening): void {
    bound ??= at;
    if (at.httpPort !== bound.httpPort || at.grpcPort !== bound.grpcPort) {
      // It asked for any port just as the last worker that had one went.
      seat.worker?.kill();
      return;
    }
    // It may have changed while the worker was not listening to messages yet.
    const current = topology.current();
    if (seat.topology !== current) seat.worker?.tell({ type: 'topology', topology: specOf(current) });
    if (isReady) logger.warn({ worker: seat.number, pid: seat.worker?.pid() }, 'ingest worker is back');
    if (listening().length === count) allListen.resolve(bound);
  }

  function ended(seat: Seat, { reason, code, signal }: Ending): void {
    if (seat.worker !== undefined) gone = countersOf([gone, seat.worker.lastSnapshot()]);
    seat.worker = undefined;
    if (isStopping) return;
    if (!isReady) {
      allListen.reject(new UserError(reason ?? 'an ingest worker did not start; its own message is above'));
      return;
    }
    if (listening().length === 0) isSocketLost = true;
    if (performance.now() - seat.startedAtMs >= STABLE_AFTER_MS) seat.restartMs = RESTART_FIRST_MS;
    const { number, restartMs } = seat;
    logger.error(
      { worker: number, code, signal, reason, restartMs },
      'ingest worker ended; starting it again',
    );
    restarts += 1;
    seat.timer = setTimeout(() => start(seat), restartMs);
    seat.restartMs = Math.min(restartMs * 2, RESTART_MAX_MS);
  }

  const stop = once(async () => {
    isStopping = true;
    for (const { timer } of seats) clearTimeout(timer);
    const workers = running();
    for (const worker of workers) worker.tell({ type: 'stop' });
    const grace = setTimeout(() => {
      for (const worker of running()) worker.kill();
    }, STOP_GRACE_MS);
    await Promise.all(workers.map(worker => worker.ended));
    clearTimeout(grace);
  });

  topology.onChange(changed => {
    for (const worker of running()) worker.tell({ type: 'topology', topology: specOf(changed) });
  });
  telemetry.onSnapshot(metrics => {
    metrics.otelfan_workers.set(listening().length);
    metrics.otelfan_worker_restarts_total.reset();
    metrics.otelfan_worker_restarts_total.inc(restarts);
  });

  for (const seat of seats) start(seat);
  try {
    const { httpPort, grpcPort } = await allListen.promise;
    isReady = true;
    return {
      httpPort,
      grpcPort,
      refusalReason() {
        const workers = listening();
        if (workers.length === 0) return 'no ingest worker is running';
        const reasons = workers.map(worker => worker.refusalReason());
        return reasons.every(reason => reason !== undefined) ? reasons[0] : undefined;
      },
      async snapshots() {
        await within(
          SNAPSHOT_LIMIT_MS,
          Promise.allSettled(listening().map(worker => worker.askForSnapshot())),
        );
        return [gone, ...running().map(worker => worker.lastSnapshot())];
      },
      stop,
    };
  } catch (error) {
    for (const worker of running()) worker.kill();
    await stop();
    throw error;
  }
}

/** A place among the workers, whoever has it. */
interface Seat {
  readonly number: number;
  restartMs: number;
  startedAtMs: number;
  worker: WorkerProcess | undefined;
  /** What its worker was started with. */
  topology: Topology | undefined;
  timer: NodeJS.Timeout | undefined;
}

function specOf({ version, all }: Topology): TopologySpec {
  return { version, shards: all };
}
