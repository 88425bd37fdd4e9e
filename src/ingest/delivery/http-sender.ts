import { Pool } from 'undici';
import { once } from '../../shared/lifecycle.ts';
import { batchHeaders } from '../../shared/otlp/batch-header.ts';
import { SIGNAL_FACTS } from '../../shared/otlp/signal.ts';
import type { Batch } from '../queue/batch.ts';
import { type DeliveryOutcome, outcomeOfAnswer, outcomeOfError } from './outcome.ts';
import { MAX_REASON_CHARS, readable, type SenderOptions, type ShardSender } from './sender.ts';

/** A shard's answer is an empty message or a short error; more is cut off. */
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * Posts batches to an OTLP/HTTP door, with their names in headers.
 *
 * @throws when the shard cannot be reached over HTTP.
 */
export function createHttpSender({ shard, baseUrl, timeoutMs }: SenderOptions): ShardSender {
  const { origin, pathname, protocol } = new URL(baseUrl);
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw new Error(`shard ${shard}: otlp is ${baseUrl}; an embedded shard is at http:// or https://`);
  }
  const basePath = pathname.replace(/\/+$/, '');
  // The deadline is ours: undici's own timeouts are up to a second late.
  const pool = new Pool(origin, { headersTimeout: 0, bodyTimeout: 0, pipelining: 1 });

  async function post(batch: Batch, signal: AbortSignal): Promise<DeliveryOutcome> {
    const { statusCode, headers, body } = await pool.request({
      method: 'POST',
      path: `${basePath}${SIGNAL_FACTS[batch.signal].path}`,
      headers: { ...batchHeaders(batch.id, batch.slices), 'content-type': 'application/x-protobuf' },
      body: batch.payload,
      signal,
    });
    const retryAfter = headers['retry-after'];
    const isDelivered = statusCode >= 200 && statusCode < 300;
    const text = isDelivered ? '' : await textOf(body);
    if (isDelivered) await body.dump({ limit: MAX_ANSWER_BYTES, signal });
    const answer = { status: statusCode, retryAfter: retryAfter?.toString(), text };
    return outcomeOfAnswer(answer, Date.now());
  }

  return {
    async send(batch, signal) {
      const deadline = AbortSignal.timeout(timeoutMs);
      try {
        return await post(batch, AbortSignal.any([signal, deadline]));
      } catch (error) {
        if (deadline.aborted) {
          return { kind: 'retry', reason: `shard ${shard} did not answer within ${timeoutMs} ms` };
        }
        return outcomeOfError(error);
      }
    },
    stop: once(() => pool.destroy()),
  };
}

/** A protobuf `Status` holds its message as plain text; what surrounds it is not for reading. */
async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of body) {
    text += chunk.toString('utf8');
    if (text.length >= MAX_REASON_CHARS) break;
  }
  return readable(text);
}
