import { Pool } from 'undici';
import { once } from '../../shared/lifecycle.ts';
import { batchHeaders } from '../../shared/otlp/batch-header.ts';
import { SIGNAL_FACTS, SIGNALS, type Signal } from '../../shared/otlp/signal.ts';
import { DeadlineError, exchange } from './http-exchange.ts';
import { outcomeOfAnswer, outcomeOfError } from './outcome.ts';
import type { SenderOptions, ShardSender } from './sender.ts';

/**
 * Posts batches to an OTLP/HTTP door, with their names in headers.
 *
 * @throws when the shard cannot be reached over HTTP.
 */
export function createHttpSender({ shard, baseUrl, timeoutMs, clock }: SenderOptions): ShardSender {
  const { origin, pathname, protocol } = new URL(baseUrl);
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw new Error(`shard ${shard}: otlp is ${baseUrl}; an embedded shard is at http:// or https://`);
  }
  const basePath = pathname.replace(/\/+$/, '');
  const paths = Object.fromEntries(
    SIGNALS.map(signal => [signal, `${basePath}${SIGNAL_FACTS[signal].path}`]),
  ) as Record<Signal, string>;
  // The deadline is ours: undici's own timeouts are up to a second late.
  const pool = new Pool(origin, { headersTimeout: 0, bodyTimeout: 0, pipelining: 1 });

  return {
    async send(batch, signal) {
      try {
        const answer = await exchange(pool, {
          path: paths[batch.signal],
          headers: { ...batchHeaders(batch), 'content-type': 'application/x-protobuf' },
          body: batch.payload,
          timeoutMs,
          signal,
        });
        return outcomeOfAnswer(answer, clock.now());
      } catch (error) {
        if (error instanceof DeadlineError) {
          return { kind: 'retry', reason: `shard ${shard} did not answer within ${timeoutMs} ms` };
        }
        return outcomeOfError(error);
      }
    },
    stop: once(() => pool.destroy()),
  };
}
