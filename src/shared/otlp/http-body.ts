import type { IncomingMessage } from 'node:http';
import type { Place } from './admission.ts';
import { BodyBytes, MAX_SILENCE_MS } from './body-bytes.ts';
import { type Compression, decompressWithin } from './decompress.ts';
import { type Refusal, refuse } from './door.ts';

interface BodyLimits {
  /** Largest body, before and after decompression. */
  readonly maxRequestBytes: number;
  /** What the body's memory is taken from. */
  readonly place: Place;
}

/** Begins to take a body: refused here, nothing of it has been read. */
export function startBody(
  request: IncomingMessage,
  { maxRequestBytes, place }: BodyLimits,
): BodyBytes | Refusal {
  const declared = request.headers['content-length'];
  // The parser lets digits pass and nothing else.
  return BodyBytes.start(place, maxRequestBytes, declared === undefined ? undefined : Number(declared));
}

type Arrival = 'whole' | 'aborted' | Refusal;

/**
 * Reads a body to its end, or to where it is refused, its sender goes silent (0 for never), or the signal is aborted; the
 * rest is then left unread.
 */
export function readBody(
  request: IncomingMessage,
  body: BodyBytes,
  maxSilenceMs = MAX_SILENCE_MS,
  signal?: AbortSignal,
): Promise<Arrival> {
  return new Promise(resolve => {
    const settle = (arrival: Arrival) => {
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('timeout', onSilence);
      request.setTimeout(0);
      signal?.removeEventListener('abort', onClose);
      resolve(arrival);
    };
    const onData = (chunk: Buffer) => {
      const refusal = body.add(chunk);
      if (refusal !== undefined) settle(refusal);
    };
    const onEnd = () => settle('whole');
    const onClose = () => settle('aborted');
    const onSilence = () =>
      settle(refuse('unavailable', `nothing of the request came for ${maxSilenceMs} ms`));
    signal?.addEventListener('abort', onClose, { once: true });
    request.on('data', onData).on('end', onEnd).on('close', onClose).setTimeout(maxSilenceMs, onSilence);
  });
}

/** The body as it was before it was compressed; its own memory is given back for what it grew to. */
export async function plainBody(
  body: BodyBytes,
  compression: Compression | 'identity',
  limits: BodyLimits,
): Promise<Buffer | Refusal> {
  const bytes = body.whole();
  if (compression === 'identity') return bytes;
  const plain = await decompressWithin(bytes, compression, limits);
  limits.place.give(bytes.length);
  return plain;
}
