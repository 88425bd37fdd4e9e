import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Component, once } from './lifecycle.ts';

interface ListenOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** How long requests in hand may take once the server is asked to stop. */
  readonly stopGraceMs: number;
}

export interface HttpListener extends Component {
  readonly port: number;
}

/** Load balancers and Collectors keep idle connections for a minute; closing first would race with their next request. */
export const KEEP_ALIVE_MS = 75_000;

/** Binds a server; rejects when the address cannot be had. Stopping it lets requests in hand finish. */
export async function listen(
  server: Server,
  { host, port, stopGraceMs }: ListenOptions,
): Promise<HttpListener> {
  // Node does not count a connection as idle before its first request.
  const silent = new Set<Socket>();
  server.on('connection', socket => {
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
  });
  server.on('request', (request, response) => {
    silent.delete(request.socket);
    // Closing a server leaves a connection open whose request was still being answered.
    response.once('close', () => {
      if (!server.listening) server.closeIdleConnections();
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
      server.closeIdleConnections();
      for (const socket of silent) socket.destroy();
      const grace = setTimeout(() => server.closeAllConnections(), stopGraceMs);
      await closed;
      clearTimeout(grace);
    }),
  };
}
