import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { CONDITIONS, retryDelayMs } from './conditions.ts';
import { type Refusal, refuse } from './door.ts';
import { MEDIA_TYPES, rpcStatus } from './responses.ts';

/**
 * Answers what the HTTP parser gave up on, for which there is no request object: a `google.rpc.Status` like any other
 * error. A request that took too long is 503: Node's own 408 would tell the sender to drop its data.
 */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal: Refusal =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? refuse('unavailable', 'the request took too long to arrive')
      : refuse('malformed', `not an HTTP/1.1 request: ${error.message}`);
  const status = CONDITIONS[refusal.condition].http;
  const body = rpcStatus(refusal, 'json');
  const delayMs = retryDelayMs(refusal.condition);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'connection: close',
    `content-type: ${MEDIA_TYPES.json}`,
    `content-length: ${body.length}`,
    ...(delayMs === undefined ? [] : [`retry-after: ${Math.ceil(delayMs / 1000)}`]),
  ];
  socket.end(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]), () => socket.destroy());
}
