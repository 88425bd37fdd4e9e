import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { type BackoffOptions, backoffMs } from '../../shared/backoff.ts';
import { type LiveEvent, passedOn } from '../../shared/live/event.ts';
import { unreachableReason } from '../call-failure.ts';
import { readStart } from '../shard-call.ts';
import { errorMember } from '../shard-refusal.ts';
import { type SseLine, sseLines } from './sse-lines.ts';

/** What is told of one shard's feed, in the order of the stream. */
export interface StreamSink {
  event(event: LiveEvent): void;
  /** The shard left out so many rows. */
  missed(rows: number): void;
  /** Nothing is heard of the shard from here on; told once, however often it is tried in vain. */
  lost(reason: string): void;
  heardAgain(): void;
}

export interface ShardStreamOptions {
  readonly url: URL;
  readonly dispatcher: Dispatcher;
  readonly retry: BackoffOptions;
  readonly sink: StreamSink;
  /** The sink has been told already that nothing is heard of the shard. */
  readonly isLost: boolean;
}

/** The live feed of one shard, listened to again and again until it is stopped. */
export interface ShardStream {
  /** Resolves when the shard has answered for the first time, or failed to. */
  readonly tried: Promise<void>;
  /** Nothing is told afterwards. */
  stop(): void;
}

/** A tael-server sends what it took in one request as one event. */
const MAX_EVENT_CHARS = 64 * 1024 * 1024;

export function followShard(options: ShardStreamOptions): ShardStream {
  const { url, dispatcher, retry, sink } = options;
  const ended = new AbortController();
  const tried = Promise.withResolvers<void>();
  let failures = 0;
  let { isLost } = options;

  async function follow(): Promise<void> {
    while (!ended.signal.aborted) {
      const reason = await listen();
      if (ended.signal.aborted) break;
      if (!isLost) sink.lost(reason);
      isLost = true;
      failures += 1;
      tried.resolve();
      await sleep(backoffMs(failures, retry), undefined, { signal: ended.signal }).catch(() => {});
    }
    tried.resolve();
  }

  /** Why nothing is heard any more. */
  async function listen(): Promise<string> {
    try {
      const { origin, pathname, search } = url;
      const { statusCode, body } = await dispatcher.request({
        origin,
        path: `${pathname}${search}`,
        method: 'GET',
        signal: ended.signal,
      });
      if (statusCode !== 200) {
        const text = await readStart(body);
        return `answered ${statusCode}: ${errorMember(text) ?? text}`;
      }
      if (isLost) sink.heardAgain();
      isLost = false;
      tried.resolve();
      body.setEncoding('utf8');
      for await (const line of sseLines(body, MAX_EVENT_CHARS)) {
        // Not before: a shard that takes connections and breaks them off must not be asked without pause.
        failures = 0;
        const fault = pass(line);
        if (fault !== undefined) return fault;
      }
      return 'the stream ended';
    } catch (error) {
      return unreachableReason(error);
    }
  }

  /** What is wrong with a line, if anything. */
  function pass({ kind, text }: SseLine): string | undefined {
    if (ended.signal.aborted) return undefined;
    if (kind === 'comment') {
      const [, rows] = /^dropped (\d{1,15})$/.exec(text) ?? [];
      if (rows !== undefined) sink.missed(Number(rows));
      return undefined;
    }
    const event = passedOn(text);
    if (event === undefined) return 'sent an event that is not a JSON array';
    // A tael-server sends batches without rows, too.
    if (event.rows > 0) sink.event(event);
    return undefined;
  }

  void follow();
  return { tried: tried.promise, stop: () => ended.abort() };
}
