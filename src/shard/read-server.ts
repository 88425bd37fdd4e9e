import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { type HttpListener, listen } from '../shared/http-listener.ts';
import { once } from '../shared/lifecycle.ts';
import { READ_API_VERSION, READABLE_PATH } from '../shared/read/contract.ts';
import { sendError } from './api/bodies.ts';
import type { Route } from './api/route.ts';
import { DatabaseDownError } from './store/database.ts';
import type { Scrape } from './telemetry/telemetry.ts';

export interface ReadServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly routes: readonly Route[];
  /** `undefined` when the shard can take and answer, else why not. */
  readonly notReadyReason: () => string | undefined;
  /** `undefined` when it can answer, else why not. */
  readonly notReadableReason: () => string | undefined;
  readonly metrics: () => Promise<Scrape>;
  readonly logger: Logger;
}

const STOP_GRACE_MS = 5_000;

/** The internal API of one shard, made of its routes, the health endpoints and `/metrics`. */
export async function createReadServer(options: ReadServerOptions): Promise<HttpListener> {
  const answering = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const answered = answer(options, request, response).catch((error: unknown) => {
      // The caller left, which ends its request body or its query.
      if (response.destroyed) return;
      if (error instanceof DatabaseDownError && !response.headersSent) {
        sendError(response, { status: 503, message: error.message });
        return;
      }
      options.logger.error({ err: error, url: request.url }, 'request failed');
      // A body that has begun can only be broken off; without its trailer nobody takes it for whole.
      if (response.headersSent) response.destroy();
      else sendError(response, { status: 500, message: 'internal error' });
    });
    answering.add(answered);
    void answered.then(() => answering.delete(answered));
  });
  const listener = await listen(server, {
    host: options.host,
    port: options.port,
    stopGraceMs: STOP_GRACE_MS,
  });
  return {
    port: listener.port,
    stop: once(async () => {
      await listener.stop();
      await Promise.all(answering);
    }),
  };
}

async function answer(
  { routes, notReadyReason, notReadableReason, metrics }: ReadServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  if (path === '/healthz') return sendText(response, 200, 'ok');
  if (path === '/readyz') return sendReadiness(response, notReadyReason());
  if (path === READABLE_PATH) return sendReadiness(response, notReadableReason());
  if (path === '/metrics') {
    const { contentType, text } = await metrics();
    return sendText(response, 200, text, contentType);
  }
  const [, version, call = ''] = /^\/internal\/([^/]+)\/(.+)$/.exec(path) ?? [];
  const atPath = routes.filter(route => route.path.test(call));
  if (atPath.length === 0) return sendError(response, { status: 404, message: `nothing at ${path}` });
  if (version !== READ_API_VERSION) {
    return sendError(response, {
      status: 404,
      message: `read API ${version} was asked for; this shard speaks ${READ_API_VERSION}`,
    });
  }
  const route = atPath.find(({ method }) => method === request.method);
  if (route === undefined) {
    const methods = atPath.map(({ method }) => method);
    response.setHeader('allow', methods.join(', '));
    return sendError(response, {
      status: 405,
      message: `${request.method} is not allowed on ${path}; use ${methods.join(' or ')}`,
    });
  }
  await route.handle({ request, response, name: route.path.exec(call)?.[1] ?? '' });
}

function sendReadiness(response: ServerResponse, notReadyReason: string | undefined): void {
  if (notReadyReason === undefined) sendText(response, 200, 'ready');
  else sendText(response, 503, notReadyReason);
}

function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': type });
  response.end(text);
}
