import { type LiveEvent, rowsEvent } from '../../shared/live/event.ts';
import type { Subscriber } from '../../shared/live/subscriber.ts';

/** The feed of one kind of record. */
export interface Channel<R> {
  /** Takes what was stored and returns at once; it is rendered bit by bit afterwards. No work without subscribers. */
  publish(records: readonly R[]): void;
  /** Returns what ends the subscription. */
  subscribe(subscriber: Subscriber, filter: Filter<R>): () => void;
}

export interface Filter<R> {
  /** Equal for filters that accept the same. */
  readonly key: string;
  accepts(record: R): boolean;
}

export interface ChannelOptions<R> {
  rowJson(record: R): string;
  /**
   * About how large its row is. Its resource and scope, which the records of a scope share in memory, are in each row.
   */
  sizeOf(record: R): number;
}

/** Rendered in one turn of the event loop, a few milliseconds of it, and sent as one event. */
const MAX_EVENT_BYTES = 256 * 1024;
/** What may wait to be rendered. Above it the shard stores faster than it can tell, and the oldest is left out. */
const MAX_BACKLOG_BYTES = 32 * 1024 * 1024;

interface Piece<R> {
  readonly records: R[];
  sizeBytes: number;
}

export function createChannel<R>({ rowJson, sizeOf }: ChannelOptions<R>): Channel<R> {
  const subscriptions = new Map<Subscriber, Filter<R>>();
  const backlog: Piece<R>[] = [];
  let backlogBytes = 0;
  let isRendering = false;

  function takeTurn(): void {
    const piece = nextPiece();
    isRendering = piece !== undefined;
    if (piece === undefined) return;
    deliver(piece.records);
    setImmediate(takeTurn);
  }

  function nextPiece(): Piece<R> | undefined {
    const piece = backlog.shift();
    backlogBytes -= piece?.sizeBytes ?? 0;
    return piece;
  }

  function deliver(records: readonly R[]): void {
    const rows: string[] = [];
    const row = (index: number) => (rows[index] ??= rowJson(records[index] as R));
    const events = new Map<string, LiveEvent>();
    for (const [subscriber, filter] of subscriptions) {
      let event = events.get(filter.key);
      if (event === undefined) {
        event = rowsEvent(indexesOf(records, filter).map(row));
        events.set(filter.key, event);
      }
      if (event.rows > 0) subscriber.send(event);
    }
  }

  function leaveOut(records: readonly R[]): void {
    for (const [subscriber, filter] of subscriptions) {
      const missed = indexesOf(records, filter).length;
      if (missed > 0) subscriber.missed(missed);
    }
  }

  return {
    publish(records) {
      if (subscriptions.size === 0) return;
      for (const piece of piecesOf(records, sizeOf)) {
        backlog.push(piece);
        backlogBytes += piece.sizeBytes;
      }
      while (backlogBytes > MAX_BACKLOG_BYTES) leaveOut(nextPiece()?.records ?? []);
      if (!isRendering) setImmediate(takeTurn);
      isRendering = true;
    },
    subscribe(subscriber, filter) {
      subscriptions.set(subscriber, filter);
      return () => void subscriptions.delete(subscriber);
    },
  };
}

function indexesOf<R>(records: readonly R[], filter: Filter<R>): number[] {
  const indexes: number[] = [];
  for (const [index, record] of records.entries()) if (filter.accepts(record)) indexes.push(index);
  return indexes;
}

function* piecesOf<R>(records: readonly R[], sizeOf: (record: R) => number): Generator<Piece<R>> {
  let piece: Piece<R> = { records: [], sizeBytes: 0 };
  for (const record of records) {
    piece.records.push(record);
    piece.sizeBytes += sizeOf(record);
    if (piece.sizeBytes < MAX_EVENT_BYTES) continue;
    yield piece;
    piece = { records: [], sizeBytes: 0 };
  }
  if (piece.records.length > 0) yield piece;
}
