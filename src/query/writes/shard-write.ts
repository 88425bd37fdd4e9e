/** One write as its owner is sent it. */
export interface ShardWriteRequest {
  readonly method: 'POST' | 'PUT';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** What a shard made of a write. */
export type ShardReply =
  /** Durable; what it answered. */
  | { readonly kind: 'stored'; readonly json: string }
  /** The same write will never be taken. */
  | { readonly kind: 'refused'; readonly status: 400 | 413; readonly error: string }
  /** Something else was written under the same id. */
  | { readonly kind: 'conflict' };

/**
 * The reply that an answer is; `undefined` when it says nothing of the write itself. A tael-server creates with 201,
 * and has statuses of its own for bodies that it cannot read.
 */
export function replyOf(statusCode: number, text: string): ShardReply | undefined {
  switch (statusCode) {
    case 200:
    case 201:
      return { kind: 'stored', json: text };
    case 400:
    case 415:
    case 422:
      return { kind: 'refused', status: 400, error: errorOf(text) };
    case 409:
      return { kind: 'conflict' };
    case 413:
      return { kind: 'refused', status: 413, error: errorOf(text) };
    default:
      return undefined;
  }
}

/** `{"error"}`, or plain text, as a tael-server has for some. */
function errorOf(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === 'string' ? error : text;
  } catch {
    return text;
  }
}
