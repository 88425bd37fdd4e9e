import type { Dispatcher } from 'undici';

/** One request, from the moment that it is handed to the dispatcher. */
export interface HttpCall {
  /** Rejects when no answer begins. */
  readonly answer: Promise<HttpAnswer>;
  /** Ends the call in whatever phase it is: what waits for it rejects with the reason. Nothing happens once it is over. */
  abort(reason: Error): void;
}

export interface HttpAnswer {
  readonly statusCode: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  readonly body: Pieces;
}

/** A body as it comes. The shard is not read ahead of whoever takes it by more than a few pieces. */
export interface Pieces {
  /** The next piece; `undefined` at the end. Rejects when the answer breaks off. To be called again when it has settled. */
  next(): Promise<Buffer | undefined>;
  /**
   * The rest is not needed. A short one is still read, in the background, for the connection can then be used again; of
   * a long one the connection is closed.
   */
  letGo(): void;
  /** Settles when nothing comes any more, with the error if there was one. One that was let go has none. */
  readonly over: Promise<Error | undefined>;
}

/** Told how a call goes. */
export interface CallWatch {
  /** The request is on a connection. */
  sent(): void;
  /** A piece is waited for. */
  waiting(): void;
  /** A piece has come. Gives the reason to end the call, if there is one. */
  received(sizeBytes: number): Error | undefined;
}

const MOST_HELD_BYTES = 64 * 1024;
const MAX_REST_BYTES = 256 * 1024;
const MAX_REST_MS = 1_000;

/**
 * It listens to the dispatcher itself: streams, iterators and an `AbortSignal` for every limit cost more than all other
 * work on an answer of usual size.
 */
export function startCall(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  watch: CallWatch,
): HttpCall {
  const answer = Promise.withResolvers<HttpAnswer>();
  const over = Promise.withResolvers<Error | undefined>();
  const held: Buffer[] = [];
  let heldBytes = 0;
  let controller: Dispatcher.DispatchController | undefined;
  let waiting: PromiseWithResolvers<Buffer | undefined> | undefined;
  let end: { readonly error: Error | undefined } | undefined;
  let late: NodeJS.Timeout | undefined;
  let isLetGo = false;
  let restBytes = 0;

  function endWith(error: Error | undefined): void {
    if (end !== undefined) return;
    end = { error };
    clearTimeout(late);
    if (error === undefined) waiting?.resolve(undefined);
    else waiting?.reject(error);
    // Nothing happens when the answer has begun.
    if (error !== undefined) answer.reject(error);
    over.resolve(isLetGo ? undefined : error);
  }

  function abort(reason: Error): void {
    if (end !== undefined) return;
    held.length = 0;
    endWith(reason);
    controller?.abort(reason);
  }

  function take(piece: Buffer): void {
    if (waiting !== undefined) {
      waiting.resolve(piece);
      waiting = undefined;
      return;
    }
    heldBytes += piece.length;
    held.push(piece);
    if (heldBytes >= MOST_HELD_BYTES) controller?.pause();
  }

  const body: Pieces = {
    next() {
      const piece = held.shift();
      if (piece !== undefined) {
        heldBytes -= piece.length;
        if (heldBytes < MOST_HELD_BYTES) controller?.resume();
        return Promise.resolve(piece);
      }
      if (end !== undefined)
        return end.error === undefined ? Promise.resolve(undefined) : Promise.reject(end.error);
      waiting = Promise.withResolvers();
      watch.waiting();
      return waiting.promise;
    },
    letGo() {
      if (isLetGo) return;
      isLetGo = true;
      restBytes = heldBytes;
      held.length = 0;
      if (end !== undefined) return;
      late = setTimeout(() => abort(NOT_NEEDED), MAX_REST_MS).unref();
      controller?.resume();
    },
    over: over.promise,
  };

  dispatcher.dispatch(request, {
    onRequestStart(started) {
      controller = started;
      // It waited for a connection, and nobody waits for it any more.
      if (end?.error !== undefined) started.abort(end.error);
      else watch.sent();
    },
    onResponseStart(_, statusCode, headers) {
      // Whatever comes before the answer says nothing.
      if (statusCode >= 200) answer.resolve({ statusCode, headers, body });
    },
    onResponseData(_, piece) {
      if (isLetGo) {
        restBytes += piece.length;
        if (restBytes > MAX_REST_BYTES) abort(NOT_NEEDED);
        return;
      }
      const reason = watch.received(piece.length);
      if (reason === undefined) take(piece);
      else abort(reason);
    },
    onResponseEnd: () => endWith(undefined),
    onResponseError: (_, error) => endWith(error),
  });
  return { answer: answer.promise, abort };
}

const NOT_NEEDED = new Error('the rest of the answer is not needed');

/** All of a body. */
export async function wholeOf(body: Pieces): Promise<Buffer> {
  const first = await body.next();
  if (first === undefined) return Buffer.alloc(0);
  const pieces = [first];
  for (let piece = await body.next(); piece !== undefined; piece = await body.next()) pieces.push(piece);
  return pieces.length === 1 ? first : Buffer.concat(pieces);
}

export async function* each(body: Pieces): AsyncGenerator<Buffer> {
  for (let piece = await body.next(); piece !== undefined; piece = await body.next()) yield piece;
}

/** A body that is at hand already. */
export function heldPieces(pieces: Iterator<Buffer, unknown>): Pieces {
  const over = Promise.withResolvers<undefined>();
  let isOver = false;
  const end = () => {
    isOver = true;
    over.resolve(undefined);
  };
  return {
    next() {
      const piece = isOver ? undefined : pieces.next();
      if (piece?.done === false) return Promise.resolve(piece.value);
      end();
      return Promise.resolve(undefined);
    },
    letGo: end,
    over: over.promise,
  };
}
