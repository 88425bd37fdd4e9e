import type { MetricsSnapshot } from '../../ingest/telemetry/telemetry.ts';
import type { Config } from '../../shared/config/schema.ts';
import type { TopologySpec } from '../../shared/topology/topology.ts';

/** The command that a worker process runs; not for people. */
export const WORKER_COMMAND = 'ingest-worker';

/** What the primary of a replica tells its workers. */
export type ToWorker =
  /** Everything a worker needs to know; it reads no configuration of its own. */
  | {
      readonly type: 'start';
      readonly number: number;
      readonly config: Config;
      readonly topology: TopologySpec;
    }
  /** A topology that came into force: the primary decides, so that all workers follow the same one. */
  | { readonly type: 'topology'; readonly topology: TopologySpec }
  | { readonly type: 'snapshot'; readonly id: number }
  /** Take nothing more, answer what is in hand, end. */
  | { readonly type: 'stop' };

/** What a worker tells its primary. */
export type FromWorker =
  /** It listens to messages. */
  | { readonly type: 'online' }
  | { readonly type: 'listening'; readonly httpPort: number; readonly grpcPort: number }
  /** It cannot start, for a reason that the user can mend. */
  | { readonly type: 'failed'; readonly reason: string }
  /** Batches for these shards are in the queue. */
  | { readonly type: 'enqueued'; readonly shards: readonly string[] }
  /** Why it refuses every request, or that it does not. */
  | { readonly type: 'admission'; readonly reason: string | undefined }
  | { readonly type: 'snapshot'; readonly id: number; readonly snapshot: MetricsSnapshot };
