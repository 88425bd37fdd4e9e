import type { Writable } from 'node:stream';
import { comment, type LiveEvent } from './event.ts';

/** One reader of the feed, who may be slow: events wait for him in a bounded queue, and the oldest are dropped. */
export interface Subscriber {
  send(event: LiveEvent): void;
  /** Tells that rows will not come. */
  missed(rows: number): void;
}

export interface SubscriberOptions {
  readonly maxQueuedBytes: number;
  readonly maxQueuedEvents: number;
  /** After so long without an event comes a comment, so that neither end takes the connection for dead. */
  readonly heartbeatMs: number;
}

export function createSubscriber(stream: Writable, options: SubscriberOptions): Subscriber {
  const queue: LiveEvent[] = [];
  let queuedBytes = 0;
  let droppedRows = 0;

  function flush(): void {
    while (!stream.writableNeedDrain) {
      if (droppedRows > 0) {
        // Here in the stream is the gap, as it is the oldest that are dropped.
        stream.write(comment(`dropped ${droppedRows}`));
        droppedRows = 0;
      } else {
        const event = queue.shift();
        if (event === undefined) return;
        queuedBytes -= event.bytes.length;
        stream.write(event.bytes);
        heartbeat.refresh();
      }
    }
  }

  function dropOldest(): void {
    while (queue.length > options.maxQueuedEvents || queuedBytes > options.maxQueuedBytes) {
      const oldest = queue.shift();
      if (oldest === undefined) return;
      queuedBytes -= oldest.bytes.length;
      droppedRows += oldest.rows;
    }
  }

  const heartbeat = setInterval(() => {
    if (!stream.writableNeedDrain) stream.write(comment(''));
  }, options.heartbeatMs);
  stream.on('drain', flush);
  stream.once('close', () => clearInterval(heartbeat));

  return {
    send(event) {
      queue.push(event);
      queuedBytes += event.bytes.length;
      flush();
      dropOldest();
    },
    missed(rows) {
      droppedRows += rows;
      flush();
    },
  };
}
