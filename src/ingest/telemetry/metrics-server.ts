import { createServer, type RequestListener } from 'node:http';
import type { Logger } from 'pino';
import { type HttpListener, listen } from '../../shared/http-listener.ts';
import { type MetricsSnapshot, mergeSnapshots } from './telemetry.ts';

export interface MetricsListener {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Where metrics are an extra: takes any free port when the wanted one is taken. */
  readonly orAnyPort?: boolean;
}

export interface MetricsServerOptions extends MetricsListener {
  /** One for each process of the replica. */
  readonly snapshots: () => Promise<readonly MetricsSnapshot[]>;
  /** Answers everything at and below `/queues`, when it is there. */
  readonly queues?: RequestListener;
  readonly logger: Logger;
}

/** Below it, Bull Board is mounted. */
export const QUEUES_PATH = '/queues';

const STOP_GRACE_MS = 1000;

/** `GET /metrics` in the Prometheus text format, for the whole replica. */
export async function createMetricsServer(options: MetricsServerOptions): Promise<HttpListener> {
  const { host, port, orAnyPort = false, logger } = options;
  const open = (at: number) =>
    listen(createServer(answer(options)), { host, port: at, stopGraceMs: STOP_GRACE_MS });
  try {
    return await open(port);
  } catch (error) {
    if (!orAnyPort || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    logger.warn({ port }, 'the port for metrics is taken; taking any free one');
    return open(0);
  }
}

function answer({ queues, snapshots, logger }: MetricsServerOptions): RequestListener {
  return (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    if (queues !== undefined && (path === QUEUES_PATH || path.startsWith(`${QUEUES_PATH}/`))) {
      queues(request, response);
      return;
    }
    void answerFor(path, snapshots)
      .catch((error: unknown) => {
        logger.error({ err: error }, 'metrics could not be read');
        return { status: 500, type: TEXT, body: 'internal error\n' };
      })
      .then(({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body));
  };
}

const TEXT = 'text/plain; charset=utf-8';

async function answerFor(path: string, snapshots: MetricsServerOptions['snapshots']) {
  if (path !== '/metrics') return { status: 404, type: TEXT, body: 'use /metrics\n' };
  const registry = mergeSnapshots(await snapshots());
  return { status: 200, type: registry.contentType, body: await registry.metrics() };
}
