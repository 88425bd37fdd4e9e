import { setImmediate } from 'node:timers/promises';
import zlib from 'node:zlib';
import type { Place } from './admission.ts';
import { tooLarge } from './body-bytes.ts';
import { isRefusal, type Refusal, refuse } from './door.ts';
import { GatheredBytes } from './gathered-bytes.ts';
import { decodeBlock, decodeFramed, isFramed, MalformedSnappyError, readBlockHeader } from './snappy.ts';

/** How a body may be compressed. `deflate` is zlib-wrapped; `snappy` is either format, told apart by its start. */
export type Compression = 'gzip' | 'deflate' | 'zstd' | 'snappy' | 'x-snappy-framed';

const COMPRESSIONS: readonly string[] = [
  'gzip',
  'deflate',
  'zstd',
  'snappy',
  'x-snappy-framed',
] satisfies Compression[];

/** As `Accept-Encoding` and `grpc-accept-encoding` list them. */
export const ACCEPTED_ENCODINGS = ['identity', ...COMPRESSIONS].join(', ');

/** `undefined` for a name that is none. */
export function compressionNamed(name: string): Compression | 'identity' | undefined {
  return name === 'identity' || COMPRESSIONS.includes(name) ? (name as Compression) : undefined;
}

interface Limits {
  /** Largest body, decompressed. */
  readonly maxRequestBytes: number;
  /** What the memory of the decompressed body is taken from. */
  readonly place: Place;
}

/**
 * The whole of a compressed body, every frame of it, or why not. What comes out is counted part by part, at most
 * 1 MiB at a time where the format allows it, so a bomb is refused at its limit and not after it went off.
 */
export async function decompressWithin(
  input: Buffer,
  compression: Compression,
  { maxRequestBytes, place }: Limits,
): Promise<Buffer | Refusal> {
  let taken = 0;
  const memory: Memory = {
    take: sizeBytes => {
      taken += sizeBytes;
      return taken > maxRequestBytes ? tooLarge(taken, maxRequestBytes) : place.take(sizeBytes);
    },
    inTurn: work => place.inTurn(work),
  };
  return decompress(input, compression, memory);
}

/** Takes bytes that are about to be kept, or says why they may not be. */
type Take = (sizeBytes: number) => Refusal | undefined;

interface Memory extends Pick<Place, 'inTurn'> {
  readonly take: Take;
}

async function decompress(
  input: Buffer,
  compression: Compression,
  memory: Memory,
): Promise<Buffer | Refusal> {
  switch (compression) {
    case 'gzip':
    case 'deflate':
    case 'zstd':
      return inflateAll(input, compression, memory);
    case 'snappy':
    case 'x-snappy-framed':
      try {
        if (compression === 'snappy' && !isFramed(input))
          return memory.take(readBlockHeader(input).sizeBytes) ?? decodeBlock(input);
        return await decodeFrames(input, memory.take);
      } catch (error) {
        if (error instanceof MalformedSnappyError) return invalid(compression, error.message);
        throw error;
      }
    default:
      return compression satisfies never;
  }
}

function invalid(compression: Compression, why: string): Refusal {
  return refuse('malformed', `body is not valid ${compression}: ${why}`);
}

/** Chunks decoded without a break, 64 KiB each. */
const CHUNKS_AT_ONCE = 16;

async function decodeFrames(input: Buffer, take: Take): Promise<Buffer | Refusal> {
  const plain = new GatheredBytes();
  let chunks = 0;
  for (const chunk of decodeFramed(input)) {
    const refusal = take(chunk.length);
    if (refusal !== undefined) return refusal;
    plain.add(chunk);
    if (++chunks % CHUNKS_AT_ONCE === 0) await setImmediate();
  }
  return plain.whole();
}

const INFLATE = {
  gzip: { sync: zlib.gunzipSync, stream: zlib.createGunzip, options: {} },
  deflate: { sync: zlib.inflateSync, stream: zlib.createInflate, options: {} },
  zstd: {
    sync: zlib.zstdDecompressSync,
    stream: zlib.createZstdDecompress,
    // 8 MiB, what RFC 8878 (section 3.1.1.1.2) asks decoders to support; a frame may claim far more.
    options: { params: { [zlib.constants.ZSTD_d_windowLogMax]: 23 } },
  },
} as const;

type Inflatable = keyof typeof INFLATE;

/** Below this a synchronous inflate costs a third of an asynchronous one and blocks for well under a millisecond. */
const SYNC_INPUT_BYTES = 32 * 1024;
const SYNC_OUTPUT_BYTES = 1024 * 1024;
const STREAM_CHUNK_BYTES = 64 * 1024;

/** Senders make one; each costs as much as setting up zlib anew, however little is in it. */
const MAX_FRAMES = 1024;

async function inflateAll(
  input: Buffer,
  compression: Inflatable,
  { take, inTurn }: Memory,
): Promise<Buffer | Refusal> {
  const parts: Buffer[] = [];
  // zlib stops after the first zstd frame (and at bytes after the last gzip member) without an error: go on from
  // where it stopped, so that every frame is read and trailing bytes are refused instead of dropped.
  for (let at = 0, frames = 0; at < input.length || frames === 0; frames++) {
    if (frames === MAX_FRAMES) return invalid(compression, `more than ${MAX_FRAMES} frames`);
    const rest = input.subarray(at);
    const inflated =
      inflateAtOnce(rest, compression, take) ?? (await inTurn(() => inflateInParts(rest, compression, take)));
    if (isRefusal(inflated)) return inflated;
    if (inflated.inputBytes === 0) return invalid(compression, 'no data');
    parts.push(...inflated.parts);
    at += inflated.inputBytes;
  }
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}

interface Inflated {
  readonly parts: readonly Buffer[];
  /** How much of the input they were made of. */
  readonly inputBytes: number;
}

/** `undefined` when it is too much to be done without a break. */
function inflateAtOnce(input: Buffer, compression: Inflatable, take: Take): Inflated | Refusal | undefined {
  if (input.length > SYNC_INPUT_BYTES) return undefined;
  try {
    const { sync, options } = INFLATE[compression];
    const { buffer, engine } = sync(input, {
      ...options,
      maxOutputLength: SYNC_OUTPUT_BYTES,
      info: true,
    }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
    return take(buffer.length) ?? { parts: [buffer], inputBytes: engine.bytesWritten };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ERR_BUFFER_TOO_LARGE' ? undefined : invalid(compression, message);
  }
}

/** Every part is taken before the next is made, so that bodies inflated side by side stay within the budget together. */
async function inflateInParts(
  input: Buffer,
  compression: Inflatable,
  take: Take,
): Promise<Inflated | Refusal> {
  const { stream, options } = INFLATE[compression];
  const engine = stream({ ...options, chunkSize: STREAM_CHUNK_BYTES });
  const parts: Buffer[] = [];
  try {
    engine.end(input);
    for await (const part of engine as AsyncIterable<Buffer>) {
      const refusal = take(part.length);
      if (refusal !== undefined) return refusal;
      parts.push(part);
    }
  } catch (error) {
    return invalid(compression, (error as Error).message);
  }
  return { parts, inputBytes: engine.bytesWritten };
}
