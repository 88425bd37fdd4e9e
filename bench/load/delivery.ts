import { randomBytes } from 'node:crypto';
import { Pool } from 'undici';
import { v7 as uuidv7 } from 'uuid';
import { batchHeaders } from '../../src/shared/otlp/batch-header.ts';
import { SIGNAL_FACTS } from '../../src/shared/otlp/signal.ts';
import type { ShapedLoad } from './shaped-load.ts';

/** Where requests go. */
export interface Delivery {
  /** Resolves when all of it is taken, to how often it was sent again; rejects when it, or a record of it, is refused. */
  send(body: Buffer): Promise<number>;
  close(): Promise<void>;
}

export type Route = Pick<ShapedLoad, 'target' | 'signal' | 'concurrency'>;

/**
 * Sends to a shard as ingest delivers: each request a batch of one slice, with the ids by which repeats are known. It
 * answers when it has committed.
 */
export function createDelivery({ target, signal, concurrency }: Route): Delivery {
  const pool = new Pool(target, { connections: concurrency, pipelining: 1 });
  const { path } = SIGNAL_FACTS[signal];
  return {
    async send(body) {
      const slice = { exportId: randomBytes(16).toString('hex'), sizeBytes: body.length };
      const headers = {
        'content-type': 'application/x-protobuf',
        ...batchHeaders({ id: uuidv7(), slices: [slice] }),
      };
      const answer = await pool.request({ method: 'POST', path, headers, body });
      const bytes = Buffer.from(await answer.body.arrayBuffer());
      // An answer of more than a few bytes is a partial success.
      if (answer.statusCode !== 200 || bytes.length > 2) {
        throw new Error(`the shard answered ${answer.statusCode}: ${bytes.toString('latin1').slice(0, 300)}`);
      }
      return 0;
    },
    close: () => pool.close(),
  };
}
