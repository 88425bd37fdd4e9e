import grpc from '@grpc/grpc-js';
import { once } from '../../shared/lifecycle.ts';
import { SIGNAL_FACTS } from '../../shared/otlp/signal.ts';
import { MalformedProtobufError } from '../../shared/otlp/wire-reader.ts';
import type { Batch } from '../queue/batch.ts';
import { outcomeOfRpcError } from './grpc-outcome.ts';
import { nonFinitePoints } from './non-finite.ts';
import { delivered, type Reject } from './outcome.ts';
import type { SenderOptions, ShardSender } from './sender.ts';

/** Messages have to stay below it (read API contract §2.1). */
const MAX_MESSAGE_BYTES = 4 * 1024 ** 2;
/** Where nobody listens, the library itself waits longer and longer before it tries to connect again. */
const MAX_RECONNECT_MS = 1_000;

/**
 * Feeds a tael-server: OTLP over gRPC on one connection, uncompressed because it cannot inflate, and nothing that it
 * would refuse or choke on. It does not know batches, so one that is sent again is stored again.
 *
 * @throws when the address is not `grpc://host:port`.
 */
export function createTaelSender({ shard, baseUrl, timeoutMs, clock }: SenderOptions): ShardSender {
  const { protocol, hostname, port, pathname } = new URL(baseUrl);
  if (protocol !== 'grpc:' || port === '' || (pathname !== '' && pathname !== '/')) {
    throw new Error(`shard ${shard}: otlp is ${baseUrl}; a tael shard is at grpc://host:port`);
  }
  const client = new grpc.Client(`${hostname}:${port}`, grpc.credentials.createInsecure(), {
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_MS,
    // The lane retries; a call that the library keeps for that would be held in memory twice.
    'grpc.enable_retries': 0,
    'grpc.use_local_subchannel_pool': 1,
  });
  const empty = new grpc.Metadata();

  return {
    send: (batch, signal) => {
      const unacceptable = screen(batch);
      if (unacceptable !== undefined) return Promise.resolve(unacceptable);
      return new Promise(resolve => {
        const call = client.makeUnaryRequest<Buffer, Buffer>(
          `/${SIGNAL_FACTS[batch.signal].grpcService}/Export`,
          bytes => bytes,
          bytes => bytes,
          batch.payload,
          empty,
          { deadline: clock.now() + timeoutMs },
          (error, answer) => {
            signal.removeEventListener('abort', cancel);
            resolve(error === null ? delivered(answer ?? Buffer.alloc(0)) : outcomeOfRpcError(error));
          },
        );
        const cancel = () => call.cancel();
        signal.addEventListener('abort', cancel);
        if (signal.aborted) cancel();
      });
    },
    stop: once(() => {
      client.close();
      return Promise.resolve();
    }),
  };
}

/** What the shard must not be sent, and why. */
function screen({ signal, payload }: Batch): Reject | undefined {
  if (signal === 'metrics') {
    const badRecords = nonFiniteIn(payload);
    if (badRecords.size > 0) {
      const reason = 'a metric value is NaN or infinite, which a tael-server cannot read again';
      return { kind: 'reject', reason, unsent: true, badRecords };
    }
  }
  if (payload.length < MAX_MESSAGE_BYTES) return undefined;
  const reason = `${payload.length} bytes are too large: a tael-server takes less than ${MAX_MESSAGE_BYTES}`;
  return { kind: 'reject', reason, unsent: true };
}

/** What is not protobuf is left to the shard to refuse. */
function nonFiniteIn(payload: Buffer): ReadonlySet<number> {
  try {
    return nonFinitePoints(payload);
  } catch (error) {
    if (error instanceof MalformedProtobufError) return new Set();
    throw error;
  }
}
