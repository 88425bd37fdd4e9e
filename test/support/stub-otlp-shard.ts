import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Delivery {
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
  readonly afterMs?: number;
}

/** What a shard does with a delivery; `count` is how many there were with this one. */
export type Answers = (delivery: Delivery, count: number) => Answer | 'hang up' | 'silence';

export type StubOtlpShard = Awaited<ReturnType<typeof startStubOtlpShard>>;

/** A shard's OTLP/HTTP door over a real socket that answers what the test says. */
export async function startStubOtlpShard(answer: Answers) {
  const deliveries: Delivery[] = [];
  const atOnce = { now: 0, most: 0 };
  const server: Server = createServer(async (request, response) => {
    atOnce.now += 1;
    atOnce.most = Math.max(atOnce.most, atOnce.now);
    response.once('close', () => {
      atOnce.now -= 1;
    });
    const delivery = { path: request.url, headers: request.headers, body: await buffer(request) };
    deliveries.push(delivery);
    const reply = answer(delivery, deliveries.length);
    if (reply === 'silence') return;
    if (reply === 'hang up') {
      request.socket.destroy();
      return;
    }
    await sleep(reply.afterMs ?? 0);
    response.writeHead(reply.status, reply.headers).end(reply.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    deliveries,
    atOnce,
    /** Batch ids in the order they came. */
    ids: () => deliveries.map(({ headers }) => headers['otelfan-batch-id'] as string),
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export const ok: Answer = { status: 200 };
