import cluster, { type Worker } from 'node:cluster';
import type { MetricsSnapshot } from '../../ingest/telemetry/telemetry.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

export interface Listening {
  readonly httpPort: number;
  readonly grpcPort: number;
}

export interface Ending {
  /** Why it could not start, when it said so. */
  readonly reason: string | undefined;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface WorkerEvents {
  /** It is there and waits for its instructions. */
  readonly online: () => Extract<ToWorker, { type: 'start' }>;
  readonly listening: (at: Listening) => void;
  readonly enqueued: (shards: readonly string[]) => void;
  readonly ended: (ending: Ending) => void;
}

/** One worker process, from its start to its end. */
export interface WorkerProcess {
  readonly pid: () => number | undefined;
  isListening(): boolean;
  /** Why it refuses every request, if it does. */
  refusalReason(): string | undefined;
  /** The last metrics it told; asks for newer ones. Rejects when it ends before it answers. */
  askForSnapshot(): Promise<void>;
  lastSnapshot(): MetricsSnapshot;
  tell(message: ToWorker): void;
  kill(): void;
  readonly ended: Promise<void>;
}

export function forkWorker(events: WorkerEvents): WorkerProcess {
  const worker: Worker = cluster.fork();
  const ended = Promise.withResolvers<void>();
  const asked = new Map<number, PromiseWithResolvers<void>>();
  let isListening = false;
  let failure: string | undefined;
  let refusal: string | undefined;
  let snapshot: MetricsSnapshot = [];
  let nextId = 0;

  function tell(message: ToWorker): void {
    // Between its death and our hearing of it a worker cannot be written to; its end is told by `close`.
    if (worker.isConnected()) worker.send(message, () => {});
  }

  worker.on('message', (message: FromWorker) => {
    switch (message.type) {
      case 'online':
        return tell(events.online());
      case 'listening':
        isListening = true;
        return events.listening(message);
      case 'failed':
        failure = message.reason;
        return;
      case 'enqueued':
        return events.enqueued(message.shards);
      case 'admission':
        refusal = message.reason;
        return;
      case 'snapshot':
        snapshot = message.snapshot;
        asked.get(message.id)?.resolve();
        asked.delete(message.id);
        return;
    }
  });
  worker.on('error', () => {});
  // Unlike `exit`, this also comes when there was no process to begin with.
  worker.process.once('close', (code: number | null, signal: NodeJS.Signals | null) => {
    isListening = false;
    leaveCluster(worker);
    for (const { reject } of asked.values()) reject(new Error('the worker ended'));
    asked.clear();
    ended.resolve();
    events.ended({ reason: failure, code, signal });
  });

  return {
    pid: () => worker.process.pid,
    isListening: () => isListening,
    refusalReason: () => refusal,
    askForSnapshot() {
      const answer = Promise.withResolvers<void>();
      const id = nextId++;
      asked.set(id, answer);
      tell({ type: 'snapshot', id });
      return answer.promise;
    },
    lastSnapshot: () => snapshot,
    tell,
    kill: () => void worker.process.kill('SIGKILL'),
    ended: ended.promise,
  };
}

/**
 * Of a worker that dies with a connection on its way to it, Node 24 waits for the receipt before it tells the end of the
 * channel, and so for ever. As long as the cluster believes it is there the ports stay open, which keeps the process from
 * ending.
 */
function leaveCluster(worker: Worker): void {
  if (cluster.workers?.[worker.id] !== undefined) worker.process.emit('disconnect');
}
