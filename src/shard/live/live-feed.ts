import type { ServerResponse } from 'node:http';
import { type Component, once } from '../../shared/lifecycle.ts';
import { createSubscriber } from '../../shared/live/subscriber.ts';
import type { LiveFilter, LiveKind } from '../../shared/read/live.ts';
import type { LogRecord, Records, SpanRecord } from '../store/tables.ts';
import { type Channel, createChannel, type Filter } from './channel.ts';

/** Tells subscribers what was stored (see the live contract). `stop` breaks every stream off. */
export interface LiveFeed extends Component {
  /** What a committed batch stored, slice by slice. Returns at once; without subscribers nothing is done. */
  publish(slices: readonly Records[]): void;
  /** Begins the response, which then belongs to the feed; or says why it does not. */
  subscribe<K extends LiveKind>(subscription: Subscription<K>): 'subscribed' | { readonly refusal: string };
}

interface Subscription<K extends LiveKind> {
  readonly kind: K;
  readonly filter: LiveFilter<K>;
  readonly response: ServerResponse;
}

export interface LiveFeedOptions {
  spanRowJson(span: SpanRecord): string;
  logRowJson(log: LogRecord): string;
  readonly maxSubscribers?: number;
  readonly heartbeatMs?: number;
}

const MAX_SUBSCRIBERS = 64;
const HEARTBEAT_MS = 15_000;
/** What may wait for one subscriber, beside what the kernel takes. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;
const MAX_QUEUED_EVENTS = 4096;

export function createLiveFeed(options: LiveFeedOptions): LiveFeed {
  const { spanRowJson, logRowJson, maxSubscribers = MAX_SUBSCRIBERS, heartbeatMs = HEARTBEAT_MS } = options;
  const channels = {
    spans: createChannel<SpanRecord>({ rowJson: spanRowJson, sizeOf: spanBytes }),
    logs: createChannel<LogRecord>({ rowJson: logRowJson, sizeOf: logBytes }),
  };
  const responses = new Set<ServerResponse>();
  let isStopped = false;

  return {
    publish(slices) {
      if (responses.size === 0) return;
      channels.spans.publish(slices.flatMap(({ spans }) => [...spans]));
      channels.logs.publish(slices.flatMap(({ logs }) => [...logs]));
    },
    subscribe({ kind, filter, response }) {
      if (isStopped) return { refusal: 'the shard is stopping' };
      if (responses.size >= maxSubscribers) {
        return { refusal: `there are ${maxSubscribers} live subscribers already` };
      }
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
      response.flushHeaders();
      const subscriber = createSubscriber(response, {
        maxQueuedBytes: MAX_QUEUED_BYTES,
        maxQueuedEvents: MAX_QUEUED_EVENTS,
        heartbeatMs,
      });
      const channel: Pick<Channel<SpanRecord & LogRecord>, 'subscribe'> = channels[kind];
      const end = channel.subscribe(subscriber, exactly(filter));
      responses.add(response);
      response.once('close', () => {
        end();
        responses.delete(response);
      });
      return 'subscribed';
    },
    stop: once(() => {
      isStopped = true;
      // Ended cleanly, clients would not connect again.
      for (const response of responses) response.destroy();
      return Promise.resolve();
    }),
  };
}

/** The filters are named as the members of the records that they are compared with. */
function exactly(filter: object): Filter<object> {
  const wanted = Object.entries(filter);
  return {
    key: JSON.stringify(wanted),
    accepts: record => wanted.every(([member, value]) => record[member as keyof typeof record] === value),
  };
}

/** What a row takes beside the texts of its record, about. */
const ROW_BYTES = 300;

function spanBytes({ service, operation, attributes, events, llm, otlp, source }: SpanRecord): number {
  const { resource, scope } = source;
  return ROW_BYTES + charsOf([service, operation, attributes, events, llm, otlp, resource, scope]);
}

function logBytes({ severityText, body, service, attributes, otlp, source }: LogRecord): number {
  const { resource, scope } = source;
  return ROW_BYTES + charsOf([severityText, body, service, attributes, otlp, resource, scope]);
}

function charsOf(texts: readonly (string | null)[]): number {
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), 0);
}
