import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Component, once } from '../shared/lifecycle.ts';

interface HealthOptions {
  readonly host: string;
  readonly port: number;
  /** Why no data can be taken now, or `undefined` when it can. */
  readonly unreadyReason: () => Promise<string | undefined>;
}

export interface HealthServer extends Component {
  readonly port: number;
}

/** `/healthz`: the process answers. `/readyz`: it can store data; 503 with the reason when not. */
export async function createHealthServer({
  host,
  port,
  unreadyReason,
}: HealthOptions): Promise<HealthServer> {
  const server = createServer((request, response) => {
    void answerFor(request.url ?? '', unreadyReason).then(({ status, text }) => {
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: once(async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    }),
  };
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
