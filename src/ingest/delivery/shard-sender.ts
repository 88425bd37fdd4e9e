import { Pool } from 'undici';
import { type Component, once } from '../../shared/lifecycle.ts';
import { batchHeaders } from '../../shared/otlp/batch-header.ts';
import { SIGNAL_FACTS } from '../../shared/otlp/signal.ts';
import type { Batch } from '../queue/batch.ts';
import { type DeliveryOutcome, outcomeOfAnswer, outcomeOfError } from './outcome.ts';

export interface ShardSender extends Component {
  /** Sends one batch; never rejects. Aborting the signal gives up on it. */
  send(batch: Batch, signal: AbortSignal): Promise<DeliveryOutcome>;
}

export interface ShardSenderOptions {
  readonly shard: string;
  /** Base URL of the shard's OTLP/HTTP door, with or without a path. */
  readonly baseUrl: string;
  /** How long the shard may take for one batch, connecting included. */
  readonly timeoutMs: number;
}

/** Of a refusal, this much is kept as the reason. */
const MAX_REASON_CHARS = 500;
/** A shard's answer is an empty message or a short error; more is cut off. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** @throws when the shard cannot be reached over HTTP. */
export function createShardSender({ shard, baseUrl, timeoutMs }: ShardSenderOptions): ShardSender {
  const { origin, pathname, protocol } = new URL(baseUrl);
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw new Error(`shard ${shard}: otlp is ${baseUrl}; batches are delivered to http:// or https:// only`);
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

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of body) {
    text += chunk.toString('utf8');
    if (text.length >= MAX_REASON_CHARS) break;
  }
  return printable(text);
}

/** A protobuf `Status` holds its message as plain text; what surrounds it is not for reading. */
function printable(text: string): string {
  return text
    .replace(/[^\x20-\x7e\u00a0-\ufffc]+/g, ' ')
    .trim()
    .slice(0, MAX_REASON_CHARS);
}
