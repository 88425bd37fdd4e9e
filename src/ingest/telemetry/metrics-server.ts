import { createServer, type RequestListener } from 'node:http';
import type { Logger } from 'pino';
import { type HttpListener, listen } from '../../shared/http-listener.ts';
import { type MetricsSnapshot, mergeSnapshots } from './telemetry.ts';

export interface MetricsServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
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
  const { host, port, queues, logger } = options;
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    if (queues !== undefined && (path === QUEUES_PATH || path.startsWith(`${QUEUES_PATH}/`))) {
      queues(request, response);
      return;
    }
    void answerFor(path, options)
      .catch((error: unknown) => {
        logger.error({ err: error }, 'metrics could not be read');
        return { status: 500, type: TEXT, body: 'internal error\n' };
      })
      .then(({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body));
  });
  return listen(server, { host, port, stopGraceMs: STOP_GRACE_MS });
}

const TEXT = 'text/plain; charset=utf-8';

async function answerFor(path: string, { snapshots }: MetricsServerOptions) {
  if (path !== '/metrics') return { status: 404, type: TEXT, body: 'use /metrics\n' };
  const registry = mergeSnapshots(await snapshots());
  return { status: 200, type: registry.contentType, body: await registry.metrics() };
}
