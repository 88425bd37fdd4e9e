import { createServer } from 'node:http';
import { type HttpListener, listen } from '../shared/http-listener.ts';

interface HealthOptions {
  readonly host: string;
  readonly port: number;
  /** Why no data can be taken now, or `undefined` when it can. */
  readonly unreadyReason: () => Promise<string | undefined>;
}

const STOP_GRACE_MS = 1000;

/** `/healthz`: the process answers. `/readyz`: it can store data; 503 with the reason when not. */
export async function createHealthServer({
  host,
  port,
  unreadyReason,
}: HealthOptions): Promise<HttpListener> {
  const server = createServer((request, response) => {
    void answerFor(request.url ?? '', unreadyReason).then(({ status, text }) => {
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
    });
  });
  return listen(server, { host, port, stopGraceMs: STOP_GRACE_MS });
}

async function answerFor(url: string, unreadyReason: HealthOptions['unreadyReason']) {
  const path = url.split('?', 1)[0];
  if (path === '/healthz') return { status: 200, text: 'ok' };
  if (path !== '/readyz') return { status: 404, text: 'use /healthz or /readyz' };
  try {
    const reason = await unreadyReason();
    return reason === undefined
      ? { status: 200, text: 'ready' }
      : { status: 503, text: `not ready: ${reason}` };
  } catch (error) {
    return { status: 503, text: `not ready: ${(error as Error).message}` };
  }
}
