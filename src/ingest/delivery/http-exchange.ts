import type { OutgoingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { PARTLY_STORED_HEADER } from '../../shared/otlp/batch-header.ts';
import type { ShardAnswer } from './outcome.ts';

export interface HttpExchange {
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
  /** For all of it, connecting included. */
  readonly timeoutMs: number;
  /** Gives up when aborted. */
  readonly signal: AbortSignal;
}

/** No answer in time. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

/** A shard's answer is an empty message or a short error; of more the connection is let go. */
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * Posts and reads the answer. It listens to the dispatcher itself, because a stream for a body that is nearly always
 * empty and an `AbortSignal` for every deadline cost a batch more than all else that is not copying its bytes. Rejects
 * without an answer.
 */
export function exchange(
  dispatcher: Dispatcher,
  { path, headers, body, timeoutMs, signal }: HttpExchange,
): Promise<ShardAnswer> {
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | undefined;
    let failure: Error | undefined;
    let status = 0;
    let retryAfter: string | undefined;
    let isPartlyStored = false;
    const chunks: Buffer[] = [];
    let receivedBytes = 0;

    const fail = (error: Error) => {
      failure = error;
      release();
      reject(error);
      controller?.abort(error);
    };
    const giveUp = () => fail(new Error('given up'));
    const timer = setTimeout(() => fail(new DeadlineError(`no answer within ${timeoutMs} ms`)), timeoutMs);
    const release = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
    };
    const answer = () => {
      release();
      resolve({ status, retryAfter, isPartlyStored, body: Buffer.concat(chunks) });
    };

    signal.addEventListener('abort', giveUp);
    if (signal.aborted) return giveUp();
    dispatcher.dispatch(
      { method: 'POST', path, headers, body },
      {
        onRequestStart(started) {
          controller = started;
          // It waited for a connection, and nobody waits for it any more.
          if (failure !== undefined) started.abort(failure);
        },
        onResponseStart(_, statusCode, responseHeaders) {
          status = statusCode;
          retryAfter = responseHeaders['retry-after']?.toString();
          isPartlyStored = responseHeaders[PARTLY_STORED_HEADER] !== undefined;
        },
        onResponseData(receiving, chunk) {
          chunks.push(chunk);
          receivedBytes += chunk.length;
          if (receivedBytes < MAX_ANSWER_BYTES) return;
          answer();
          receiving.abort(new Error('the answer is too long'));
        },
        onResponseEnd: answer,
        onResponseError(_, error) {
          release();
          reject(error);
        },
      },
    );
  });
}
