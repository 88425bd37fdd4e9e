import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NotStored } from '../store/writer.ts';

/** An answer that is not the one hoped for. */
export interface ApiError {
  readonly status: number;
  readonly message: string;
}

type Body<T> = { readonly kind: 'body'; readonly value: T } | ({ readonly kind: 'refused' } & ApiError);

/** The whole body. The rest of one that is too large is still read, so that its sender gets to read the answer. */
export async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Body<Buffer>> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes <= maxBytes) chunks.push(chunk);
  }
  if (sizeBytes > maxBytes) {
    const message = `request of ${sizeBytes} bytes is over the limit of ${maxBytes}`;
    return { kind: 'refused', status: 413, message };
  }
  return { kind: 'body', value: Buffer.concat(chunks) };
}

export async function readJson(request: IncomingMessage, maxBytes: number): Promise<Body<unknown>> {
  const body = await readBytes(request, maxBytes);
  if (body.kind === 'refused') return body;
  try {
    return { kind: 'body', value: JSON.parse(body.value.toString('utf8')) };
  } catch (error) {
    return { kind: 'refused', status: 400, message: `body is not JSON: ${(error as SyntaxError).message}` };
  }
}

export function sendError(response: ServerResponse, { status, message }: ApiError): void {
  sendJson(response, JSON.stringify({ error: message }), status);
}

export function sendJson(response: ServerResponse, json: string, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(json);
}

const RETRY_AFTER_S = 1;

/** The same write may succeed later. */
export function sendNotStored(response: ServerResponse, { kind, reason }: NotStored): void {
  const what = kind === 'failed' ? 'could not store it' : 'cannot tell yet whether it stored it';
  response.setHeader('retry-after', RETRY_AFTER_S);
  sendError(response, { status: 503, message: `the shard ${what}: ${reason}` });
}
