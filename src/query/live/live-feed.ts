import type { ServerResponse } from 'node:http';
import { Agent } from 'undici';
import { dropWhenStalled } from '../../shared/drop-when-stalled.ts';
import { type Component, once } from '../../shared/lifecycle.ts';
import { createSubscriber } from '../../shared/live/subscriber.ts';
import type { LiveFilter, LiveKind } from '../../shared/read/live.ts';
import type { TopologySource } from '../../shared/topology/topology-source.ts';
import { createShardStreams, type ShardStreams } from './shard-streams.ts';

/** The live feeds of all shards as one (contract §1.1, G2). `stop` breaks every stream off. */
export interface LiveFeed extends Component {
  /** Takes the response, which then belongs to the feed; or says why it does not. */
  subscribe<K extends LiveKind>(subscription: Subscription<K>): 'subscribed' | { readonly refusal: string };
}

interface Subscription<K extends LiveKind> {
  readonly kind: K;
  readonly filter: LiveFilter<K>;
  readonly response: ServerResponse;
}

export interface LiveFeedOptions {
  readonly topology: Pick<TopologySource, 'current' | 'onChange'>;
  /** Evenly from [0, 1). */
  readonly random: () => number;
  readonly maxSubscribers?: number;
  readonly heartbeatMs?: number;
  /** How long a subscriber may take nothing of what there is; longer than the pause between heartbeats. */
  readonly stallMs?: number;
}

/** As many as a shard takes, and each subscriber is one of every shard's. */
const MAX_SUBSCRIBERS = 64;
const HEARTBEAT_MS = 15_000;
/** What may wait for one subscriber, beside what the kernel takes. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;
const MAX_QUEUED_EVENTS = 4096;

const RETRY = { initialMs: 500, maxMs: 10_000 } as const;
const CONNECT_TIMEOUT_MS = 2_000;
const ANSWER_TIMEOUT_MS = 2_000;
/** Shards send a comment every 15 seconds; one that misses two is gone. */
const SILENCE_TIMEOUT_MS = 40_000;

export function createLiveFeed(options: LiveFeedOptions): LiveFeed {
  const { topology, random, maxSubscribers = MAX_SUBSCRIBERS, heartbeatMs = HEARTBEAT_MS } = options;
  const dispatcher = new Agent({
    connectTimeout: CONNECT_TIMEOUT_MS,
    headersTimeout: ANSWER_TIMEOUT_MS,
    bodyTimeout: SILENCE_TIMEOUT_MS,
  });
  const subscriptions = new Map<ServerResponse, ShardStreams>();
  let isStopped = false;
  topology.onChange(({ shards }) => {
    for (const streams of subscriptions.values()) streams.follow(shards);
  });

  return {
    subscribe({ kind, filter, response }) {
      if (isStopped) return { refusal: 'the query proxy is stopping' };
      if (subscriptions.size >= maxSubscribers) {
        return { refusal: `there are ${maxSubscribers} live subscribers already` };
      }
      // What is not taken has an end in the queue, but a subscriber that is gone keeps a place here and on every shard.
      dropWhenStalled(response, options.stallMs);
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
      const subscriber = createSubscriber(response, {
        maxQueuedBytes: MAX_QUEUED_BYTES,
        maxQueuedEvents: MAX_QUEUED_EVENTS,
        heartbeatMs,
      });
      const retry = { ...RETRY, random };
      const streams = createShardStreams({ kind, filter, subscriber, dispatcher, retry });
      subscriptions.set(response, streams);
      response.once('close', () => {
        subscriptions.delete(response);
        streams.stop();
      });
      streams.follow(topology.current().shards);
      // Who has an answer misses nothing from then on, but of shards that it is told of.
      void streams.tried().then(() => response.flushHeaders());
      return 'subscribed';
    },
    stop: once(async () => {
      isStopped = true;
      // Ended cleanly, clients would not connect again.
      for (const response of subscriptions.keys()) response.destroy();
      await dispatcher.destroy();
    }),
  };
}
