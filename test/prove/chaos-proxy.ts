import { once } from 'node:events';
import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

/** What becomes of one request on its way to a shard. */
export type Trouble =
  | { readonly kind: 'none' }
  /** The shard takes so long. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** Nothing arrives, nothing comes back, and the connection stays open. */
  | { readonly kind: 'hang' }
  /** Answered in place of the shard, which never sees the request. */
  | { readonly kind: 'answer'; readonly status: number; readonly retryAfter?: string }
  /** The connections on both sides end in the middle of the request. */
  | { readonly kind: 'cut request' }
  /** The shard has answered, and the connection ends in the middle of its answer. */
  | { readonly kind: 'cut answer' }
  /** The shard has answered, and the connection ends before the first byte of it. */
  | { readonly kind: 'lose answer' };

interface Received {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Buffer;
}

export const NONE: Trouble = { kind: 'none' };

/** Decides for each request; `body` is the whole of it. */
export type Weather = (request: { readonly path: string; readonly body: Buffer }) => Trouble;

export interface ChaosProxy {
  readonly url: string;
  /** Requests that something became of so far. */
  readonly troubled: number;
  turn(weather: Weather): void;
  /** Lets everything through again, and ends what hangs. */
  calm(): void;
  stop(): Promise<void>;
}

/** An HTTP/1.1 proxy before one address, which does to requests what networks, disks and overload do. */
export async function startChaosProxy(target: string): Promise<ChaosProxy> {
  const agent = new Agent({ keepAlive: true });
  let weather: Weather = () => NONE;
  let troubled = 0;
  const hanging = new Set<IncomingMessage>();

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    const trouble = weather({ path: request.url ?? '', body });
    if (trouble.kind !== 'none') troubled += 1;
    switch (trouble.kind) {
      case 'none':
        return await forward({ request, response, body }, answer => pass(answer, response));
      case 'slow':
        await sleep(trouble.ms);
        return await forward({ request, response, body }, answer => pass(answer, response));
      case 'hang':
        hanging.add(request);
        return;
      case 'answer': {
        const headers = trouble.retryAfter === undefined ? {} : { 'retry-after': trouble.retryAfter };
        response.writeHead(trouble.status, headers).end('by the proxy');
        return;
      }
      case 'cut request':
        return await cut({ request, body });
      case 'cut answer':
        return await forward({ request, response, body }, async answer => {
          const bytes = await buffer(answer);
          response.writeHead(answer.statusCode ?? 502, { 'content-length': bytes.length + 1 });
          response.write(bytes.subarray(0, bytes.length / 2), () => request.socket.destroy());
        });
      case 'lose answer':
        return await forward({ request, response, body }, async answer => {
          await buffer(answer);
          request.socket.destroy();
        });
    }
  }

  function forward(
    { request, response, body }: Received,
    answered: (answer: IncomingMessage) => Promise<void>,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const { method = 'GET', url = '/', headers } = request;
      const outgoing = httpRequest(`${target}${url}`, { method, headers, agent }, answer => {
        answered(answer).then(resolve, reject);
      });
      outgoing.once('error', reject);
      // Whoever asked went away: the shard is to notice.
      response.once('close', () => response.writableFinished || outgoing.destroy());
      outgoing.end(body);
    });
  }

  async function cut({ request, body }: Omit<Received, 'response'>): Promise<void> {
    const { method = 'POST', url = '/', headers } = request;
    const outgoing = httpRequest(`${target}${url}`, { method, headers, agent: false });
    outgoing.on('error', () => {});
    outgoing.write(body.subarray(0, body.length / 2));
    await sleep(20);
    outgoing.destroy();
    request.socket.destroy();
  }

  const server = createServer((request, response) => {
    // As if nobody were in between: the shard's end is the end of the connection.
    serve(request, response).catch(() => request.socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get troubled() {
      return troubled;
    },
    turn(changed) {
      weather = changed;
    },
    calm() {
      weather = () => NONE;
      for (const request of hanging) request.socket.destroy();
      hanging.clear();
    },
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      agent.destroy();
      await closed;
    },
  };
}

async function pass(answer: IncomingMessage, response: ServerResponse): Promise<void> {
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  const ended = once(response, 'close');
  answer.pipe(response);
  answer.once('error', () => response.destroy());
  answer.once('close', () => {
    if (!answer.complete) response.destroy();
  });
  await ended;
}
