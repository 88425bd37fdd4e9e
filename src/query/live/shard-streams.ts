import type { Dispatcher } from 'undici';
import type { BackoffOptions } from '../../shared/backoff.ts';
import { commentEvent } from '../../shared/live/event.ts';
import type { Subscriber } from '../../shared/live/subscriber.ts';
import { type LiveFilter, type LiveKind, livePath } from '../../shared/read/live.ts';
import type { ShardSpec } from '../../shared/topology/topology.ts';
import { followShard, type ShardStream, type StreamSink } from './shard-stream.ts';

/** What one subscriber hears: the feeds of all shards that are read from, side by side. */
export interface ShardStreams {
  /** Goes on with these shards and no others. */
  follow(shards: readonly ShardSpec[]): void;
  /** Resolves when each shard has answered, or failed to. */
  tried(): Promise<unknown>;
  stop(): void;
}

export interface ShardStreamsOptions<K extends LiveKind> {
  readonly kind: K;
  readonly filter: LiveFilter<K>;
  readonly subscriber: Subscriber;
  readonly dispatcher: Dispatcher;
  readonly retry: BackoffOptions;
}

export function createShardStreams<K extends LiveKind>(options: ShardStreamsOptions<K>): ShardStreams {
  const { kind, filter, subscriber, dispatcher, retry } = options;
  const streams = new Map<string, { readonly url: URL; readonly stream: ShardStream }>();

  let hasBegun = false;

  function listenTo(shard: ShardSpec): void {
    const url = feedUrl(shard, { kind, filter });
    const known = streams.get(shard.id);
    if (known?.url.href === url.href) return;
    known?.stream.stop();
    const sink = sinkOf(shard.id, subscriber);
    if (hasBegun) sink.lost(known === undefined ? 'joined the topology' : 'its address has changed');
    streams.set(shard.id, { url, stream: followShard({ url, dispatcher, retry, sink, isLost: hasBegun }) });
  }

  return {
    follow(shards) {
      const ids = new Set(shards.map(({ id }) => id));
      for (const [id, { stream }] of streams) {
        if (ids.has(id)) continue;
        stream.stop();
        streams.delete(id);
      }
      for (const shard of shards) listenTo(shard);
      hasBegun = true;
    },
    tried: () => Promise.all([...streams.values()].map(({ stream }) => stream.tried)),
    stop() {
      for (const { stream } of streams.values()) stream.stop();
    },
  };
}

const TAEL_PATHS = { spans: '/api/v1/traces/live', logs: '/api/v1/logs/live' } as const;

function feedUrl<K extends LiveKind>(
  { kind: shardKind, read }: ShardSpec,
  { kind, filter }: { readonly kind: K; readonly filter: LiveFilter<K> },
): URL {
  const path = shardKind === 'tael' ? TAEL_PATHS[kind] : livePath(kind);
  const url = new URL(`${read.replace(/\/$/, '')}${path}`);
  for (const [name, value] of Object.entries(filter)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

function sinkOf(shardId: string, subscriber: Subscriber): StreamSink {
  return {
    event: event => subscriber.send(event),
    missed: rows => subscriber.missed(rows),
    lost: reason => subscriber.send(commentEvent(`gap ${shardId}: ${oneLine(reason)}`)),
    heardAgain: () => subscriber.send(commentEvent(`resumed ${shardId}`)),
  };
}

const MAX_REASON_CHARS = 300;

/** Reasons may quote what a shard sent. */
function oneLine(reason: string): string {
  return reason.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, MAX_REASON_CHARS);
}
