import type { RequestListener } from 'node:http';
import { createBullBoard as createBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { Queue } from 'bullmq';
import express from 'express';
import type { Logger } from 'pino';
import { type Component, once } from '../../shared/lifecycle.ts';
import { openRedis } from './redis-client.ts';
import { laneName, PREFIX } from './redis-keys.ts';

interface BullBoardOptions {
  /** The Redis that holds the queue, and whether it is a cluster. */
  readonly url: string;
  readonly cluster: boolean;
  /** Where the board is mounted, without a slash at its end. */
  readonly basePath: string;
  /** The shards whose lanes are shown, asked whenever the board is opened. */
  readonly shards: () => Promise<readonly string[]>;
  readonly logger: Logger;
}

const CONNECT_TIMEOUT_MS = 1000;

export interface BullBoard extends Component {
  readonly handle: RequestListener;
}

/**
 * The lanes as BullMQ sees them, to look at only: a job is a reference to a batch, and whoever removed or repeated
 * one by hand would take a batch out of its lane or deliver it beside its account.
 */
export function createBullBoard({ url, cluster, basePath, shards, logger }: BullBoardOptions): BullBoard {
  // A connection of its own: what the board asks for must not delay what senders wait for.
  const client = openRedis({ url, cluster, connectTimeoutMs: CONNECT_TIMEOUT_MS });
  client.on('error', error => logger.debug({ err: error }, 'Bull Board has no Redis'));
  const queues = new Map<string, Queue>();
  const serverAdapter = new ExpressAdapter().setBasePath(basePath);
  const board = createBoard({
    queues: [],
    serverAdapter,
    options: { uiConfig: { boardTitle: 'otelfan' } },
  });

  async function refresh(): Promise<void> {
    for (const shard of await shards()) {
      if (queues.has(shard)) continue;
      const queue = new Queue(laneName(shard), {
        connection: client,
        prefix: PREFIX,
        skipVersionCheck: true,
        // BullMQ would set its own length of the event stream.
        skipMetasUpdate: true,
      });
      queue.on('error', error => logger.debug({ err: error }, 'Bull Board has no Redis'));
      queues.set(shard, queue);
      board.addQueue(new BullMQAdapter(queue, { readOnlyMode: true, displayName: shard }));
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
      await Promise.all([...queues.values()].map(queue => queue.close()));
      client.disconnect();
    }),
  };
}
