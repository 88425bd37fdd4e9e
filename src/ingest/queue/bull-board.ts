import type { RequestListener } from 'node:http';
import { createBullBoard as createBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { Queue } from 'bullmq';
import express from 'express';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { type Component, once } from '../../shared/lifecycle.ts';

interface BullBoardOptions {
  /** The Redis that holds the queue. */
  readonly url: string;
  /** Where the board is mounted, without a slash at its end. */
  readonly basePath: string;
  /** The shards whose lanes are shown, asked whenever the board is opened. */
  readonly shards: () => Promise<readonly string[]>;
  readonly logger: Logger;
}

export interface BullBoard extends Component {
  readonly handle: RequestListener;
}

/**
 * The lanes as BullMQ sees them, to look at only: a job is a reference to a batch, and whoever removed or repeated
 * one by hand would take a batch out of its lane or deliver it beside its account.
 */
export function createBullBoard({ url, basePath, shards, logger }: BullBoardOptions): BullBoard {
  // A connection of its own: what the board asks for must not delay what senders wait for.
  const client = new Redis(url, { maxRetriesPerRequest: 1, commandTimeout: 5000, lazyConnect: true });
  client.on('error', error => logger.debug({ err: error }, 'Bull Board has no Redis'));
  const queues = new Map<string, { queue: Queue; adapter: BullMQAdapter }>();
  const serverAdapter = new ExpressAdapter().setBasePath(basePath);
  const board = createBoard({
    queues: [],
    serverAdapter,
    options: { uiConfig: { boardTitle: 'otelfan' } },
  });

  async function refresh(): Promise<void> {
    for (const shard of await shards()) {
      for (const name of [`{otelfan-${shard}}`]) {
        if (queues.has(name)) continue;
        const queue = new Queue(name, { connection: client, prefix: 'otelfan', skipVersionCheck: true });
        queue.on('error', error => logger.debug({ err: error }, 'Bull Board has no Redis'));
        const adapter = new BullMQAdapter(queue, {
          readOnlyMode: true,
          displayName: name.replaceAll(/[{}]/g, ''),
        });
        queues.set(name, { queue, adapter });
        board.addQueue(adapter);
      }
    }
  }

  const app = express();
  app.disable('x-powered-by');
  app.use(basePath, (request, response, next) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.status(405).set('Allow', 'GET, HEAD').json({ error: 'the board is to look at only' });
      return;
    }
    refresh().then(
      () => next(),
      (error: unknown) => {
        response.status(503).json({ error: `the queue does not answer: ${(error as Error).message}` });
      },
    );
  });
  app.use(basePath, serverAdapter.getRouter());

  return {
    handle: app,
    stop: once(async () => {
      await Promise.all([...queues.values()].map(({ queue }) => queue.close()));
      client.disconnect();
    }),
  };
}
