import type { IncomingMessage, ServerResponse } from 'node:http';

/** One call of the shard's internal API, which `read-server.ts` finds by path and method. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Of the path below `/internal/v1/`; its first group, if it has one, is the exchange's `name`. */
  readonly path: RegExp;
  /**
   * Answers; resolves when the response has ended, or its little rest was handed over. May throw: the caller is answered
   * 500, or, when the response has begun, cut off.
   */
  handle(exchange: Exchange): Promise<void>;
}

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What the path names, as it stands there; empty when it names nothing. */
  readonly name: string;
}

/** Aborted when the caller goes away before it has its answer: nobody needs the work any more. */
export function callerGone(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  if (response.destroyed) gone.abort();
  response.once('close', () => gone.abort());
  return gone.signal;
}
