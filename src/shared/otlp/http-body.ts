import type { IncomingMessage } from 'node:http';
import zlib from 'node:zlib';
import { type ByteBudget, overBudget } from './byte-budget.ts';
import { type Refusal, refuse } from './door.ts';

interface BodyLimits {
  /** Largest body, before and after decompression. */
  readonly maxRequestBytes: number;
  readonly budget: ByteBudget;
}

/** A whole uncompressed body; `release` gives its bytes back to the budget once nobody needs them. */
interface Body {
  readonly kind: 'body';
  readonly bytes: Buffer;
  release(): void;
}

export type BodyOutcome = Body | Refusal | { readonly kind: 'aborted' };

/** Reads and decompresses a request body within the limits. `aborted`: the client left, nobody waits for an answer. */
export async function readBody(request: IncomingMessage, limits: BodyLimits): Promise<BodyOutcome> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (!isContentEncoding(encoding)) {
    return refuse(
      'unsupportedEncoding',
      `Content-Encoding "${encoding}" is not one of identity, gzip, deflate, zstd`,
    );
  }
  const taken = takeAsItArrives(limits);
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limits.maxRequestBytes) return tooLarge(declared, limits.maxRequestBytes);

  const chunks: Buffer[] = [];
  try {
    // Leaving the loop must not destroy the socket: the sender is owed the reason.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      const refusal = taken.add(chunk.length);
      if (refusal !== undefined) {
        taken.release();
        return refusal;
      }
    }
  } catch {
    taken.release();
    return { kind: 'aborted' };
  }

  const received = Buffer.concat(chunks);
  if (encoding === 'identity') return { kind: 'body', bytes: received, release: taken.release };
  const takenInflated = takeAsItArrives(limits);
  const inflated = await decompress(received, encoding, takenInflated.add);
  taken.release();
  if (Buffer.isBuffer(inflated)) return { kind: 'body', bytes: inflated, release: takenInflated.release };
  takenInflated.release();
  return inflated;
}

/** Takes bytes that are about to be kept, or says why they may not be. */
type Take = (sizeBytes: number) => Refusal | undefined;

/** Counts what a body holds against its own limit and against the budget of the process. */
function takeAsItArrives({ maxRequestBytes, budget }: BodyLimits): { add: Take; release(): void } {
  let takenBytes = 0;
  return {
    add(sizeBytes) {
      if (takenBytes + sizeBytes > maxRequestBytes) return tooLarge(takenBytes + sizeBytes, maxRequestBytes);
      if (!budget.take(sizeBytes)) return overBudget();
      takenBytes += sizeBytes;
      return undefined;
    },
    release() {
      budget.give(takenBytes);
      takenBytes = 0;
    },
  };
}

export function tooLarge(sizeBytes: number, maxBytes: number): Refusal {
  return refuse(
    'tooLarge',
    `request of at least ${sizeBytes} bytes is over the limit of ${maxBytes} (ingest.maxRequestBytes)`,
  );
}

const INFLATE = {
  gzip: { sync: zlib.gunzipSync, stream: zlib.createGunzip },
  deflate: { sync: zlib.inflateSync, stream: zlib.createInflate },
  zstd: { sync: zlib.zstdDecompressSync, stream: zlib.createZstdDecompress },
} as const;

type Compression = keyof typeof INFLATE;
type ContentEncoding = Compression | 'identity';

function isContentEncoding(text: string): text is ContentEncoding {
  return text === 'identity' || Object.hasOwn(INFLATE, text);
}

/** Below this a synchronous inflate costs a third of an asynchronous one and blocks for well under a millisecond. */
const SYNC_INPUT_BYTES = 32 * 1024;
const SYNC_OUTPUT_BYTES = 1024 * 1024;
const STREAM_CHUNK_BYTES = 64 * 1024;

/** Senders make one; each costs as much as setting up zlib anew, however little is in it. */
const MAX_FRAMES = 1024;

interface Inflated {
  readonly buffer: Buffer;
  /** How much of the input it was made of. */
  readonly inputBytes: number;
}

async function decompress(input: Buffer, encoding: Compression, take: Take): Promise<Buffer | Refusal> {
  const frames: Buffer[] = [];
  // zlib stops after the first zstd frame (and at bytes after the last gzip member) without an error: go on from
  // where it stopped, so that every frame is read and trailing bytes are refused instead of dropped.
  for (let at = 0; at < input.length || frames.length === 0; ) {
    if (frames.length === MAX_FRAMES) return invalid(encoding, `more than ${MAX_FRAMES} frames`);
    const rest = input.subarray(at);
    const inflated = inflateAtOnce(rest, encoding, take) ?? (await inflateInParts(rest, encoding, take));
    if ('kind' in inflated) return inflated;
    if (inflated.inputBytes === 0) return invalid(encoding, 'no data');
    frames.push(inflated.buffer);
    at += inflated.inputBytes;
  }
  return frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames);
}

/** `undefined` when it is too much to be done without a break. */
function inflateAtOnce(input: Buffer, encoding: Compression, take: Take): Inflated | Refusal | undefined {
  if (input.length > SYNC_INPUT_BYTES) return undefined;
  try {
    const { buffer, engine } = INFLATE[encoding].sync(input, {
      maxOutputLength: SYNC_OUTPUT_BYTES,
      info: true,
    }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
    return take(buffer.length) ?? { buffer, inputBytes: engine.bytesWritten };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ERR_BUFFER_TOO_LARGE' ? undefined : invalid(encoding, message);
  }
}

/** Every part is taken before the next is made, so that bodies inflated side by side stay within the budget together. */
async function inflateInParts(input: Buffer, encoding: Compression, take: Take): Promise<Inflated | Refusal> {
  const engine = INFLATE[encoding].stream({ chunkSize: STREAM_CHUNK_BYTES });
  const parts: Buffer[] = [];
  try {
    engine.end(input);
    for await (const part of engine as AsyncIterable<Buffer>) {
      const refusal = take(part.length);
      if (refusal !== undefined) return refusal;
      parts.push(part);
    }
  } catch (error) {
    return invalid(encoding, (error as Error).message);
  }
  return { buffer: Buffer.concat(parts), inputBytes: engine.bytesWritten };
}

function invalid(encoding: Compression, why: string): Refusal {
  return refuse('malformed', `body is not valid ${encoding}: ${why}`);
}
