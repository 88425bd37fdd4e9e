import type { Logger } from 'pino';
import { type Component, once, stopAll } from '../shared/lifecycle.ts';
import { within } from '../shared/within.ts';
import { createDelivery, type DeliveryOptions } from './create-delivery.ts';
import type { Doors, Listener } from './create-doors.ts';
import { createHealthServer } from './health-server.ts';
import type { BatchQueue } from './queue/batch-queue.ts';
import type { BullBoard } from './queue/bull-board.ts';
import { createMetricsServer, type MetricsListener } from './telemetry/metrics-server.ts';
import type { MetricsSnapshot, Telemetry } from './telemetry/telemetry.ts';

/** The doors of a replica: those of this process, or those of its workers together. */
export interface FrontDoors extends Doors {
  /** Metrics of processes other than this one. */
  snapshots(): Promise<readonly MetricsSnapshot[]>;
}

export interface IngestOptions extends DeliveryOptions {
  readonly openDoors: () => Promise<FrontDoors>;
  /** Stopped with ingest. */
  readonly queue: BatchQueue;
  /** Left out where another server answers for this one. */
  readonly health?: Listener;
  readonly metrics: MetricsListener;
  /** Stopped with ingest. */
  readonly bullBoard?: BullBoard;
  readonly telemetry: Telemetry;
  readonly logger: Logger;
}

export interface Ingest extends Component {
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly healthPort: number | undefined;
  readonly metricsPort: number;
  /** Why requests are not taken now, or `undefined` when they are. */
  unreadyReason(): Promise<string | undefined>;
}

const READY_WITHIN_MS = 1000;

/**
 * A replica of the ingest router: doors, delivery, and what tells about them. Rejects when an address cannot be bound;
 * what was started by then is stopped again.
 */
export async function createIngest(options: IngestOptions): Promise<Ingest> {
  const { queue, telemetry, logger, bullBoard } = options;
  let doors: FrontDoors | undefined;
  let isStopping = false;

  async function unreadyReason(): Promise<string | undefined> {
    if (isStopping) return 'stopping';
    if (doors === undefined) return 'starting';
    return (await queue.unavailableReason()) ?? doors.refusalReason();
  }
  telemetry.onSnapshot(async metrics => {
    // The metrics of a queue that does not answer are still to be had.
    const isReady = await within(
      READY_WITHIN_MS,
      unreadyReason().then(reason => reason === undefined),
    );
    metrics.otelfan_ready.set(isReady === true ? 1 : 0);
  });
  const snapshots = async () => {
    const [own, others] = await Promise.all([telemetry.snapshot(), doors?.snapshots() ?? []]);
    return [own, ...others];
  };

  const inside: Component[] = [createDelivery(options), queue];
  const telling: Component[] = bullBoard === undefined ? [] : [bullBoard];
  // From the outside in: nothing new comes in, what came in is stored, what is being sent is settled. Until then it
  // can be seen how far that is.
  const stop = once(async () => {
    isStopping = true;
    await stopAll([...(doors === undefined ? [] : [doors]), ...inside, ...telling]);
  });
  try {
    const metrics = await createMetricsServer({
      ...options.metrics,
      snapshots,
      ...(bullBoard !== undefined && { queues: bullBoard.handle }),
      logger,
    });
    telling.unshift(metrics);
    const health =
      options.health === undefined
        ? undefined
        : await createHealthServer({ ...options.health, unreadyReason });
    if (health !== undefined) telling.unshift(health);
    doors = await options.openDoors();
    return {
      httpPort: doors.httpPort,
      grpcPort: doors.grpcPort,
      healthPort: health?.port,
      metricsPort: metrics.port,
      unreadyReason,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
