import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
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
  const inflated = await decompress(received, encoding, limits.maxRequestBytes);
  const refusal = Buffer.isBuffer(inflated)
    ? taken.add(inflated.length - received.length, inflated.length)
    : inflated;
  if (refusal !== undefined || !Buffer.isBuffer(inflated)) {
    taken.release();
    return refusal as Refusal;
  }
  return { kind: 'body', bytes: inflated, release: taken.release };
}

/** Counts what a request holds against its own limit and against the budget of the process. */
function takeAsItArrives({ maxRequestBytes, budget }: BodyLimits) {
  let takenBytes = 0;
  return {
    add(sizeBytes: number, bodyBytes = takenBytes + sizeBytes): Refusal | undefined {
      if (bodyBytes > maxRequestBytes) return tooLarge(bodyBytes, maxRequestBytes);
      if (sizeBytes > 0) {
        if (!budget.take(sizeBytes)) return overBudget();
        takenBytes += sizeBytes;
      }
      return undefined;
    },
    release(): void {
      budget.give(takenBytes);
      takenBytes = 0;
    },
  };
}

function tooLarge(sizeBytes: number | string, maxBytes: number): Refusal {
  return refuse(
    'tooLarge',
    `request of ${sizeBytes} bytes is over the limit of ${maxBytes} (ingest.maxRequestBytes)`,
  );
}

const INFLATE = {
  gzip: { sync: zlib.gunzipSync, async: promisify(zlib.gunzip) },
  deflate: { sync: zlib.inflateSync, async: promisify(zlib.inflate) },
  zstd: { sync: zlib.zstdDecompressSync, async: promisify(zlib.zstdDecompress) },
} as const;

type ContentEncoding = keyof typeof INFLATE | 'identity';

function isContentEncoding(text: string): text is ContentEncoding {
  return text === 'identity' || Object.hasOwn(INFLATE, text);
}

/** Below this a synchronous inflate costs a third of an asynchronous one and blocks for well under a millisecond. */
const SYNC_INPUT_BYTES = 32 * 1024;
const SYNC_OUTPUT_BYTES = 1024 * 1024;

/** With `info`, zlib also tells how much of the input it used. */
interface Inflated {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

async function decompress(
  input: Buffer,
  encoding: Exclude<ContentEncoding, 'identity'>,
  maxBytes: number,
): Promise<Buffer | Refusal> {
  const frames: Buffer[] = [];
  let outputBytes = 0;
  // zlib stops after the first zstd frame (and at bytes after the last gzip member) without an error: go on from
  // where it stopped, so that every frame is read and trailing bytes are refused instead of dropped.
  for (let at = 0; at < input.length || frames.length === 0; ) {
    const inflated = await inflateOnce(input.subarray(at), encoding, maxBytes - outputBytes);
    if (inflated === 'too large') return tooLarge(`more than ${maxBytes}`, maxBytes);
    if (typeof inflated === 'string')
      return refuse('malformed', `body is not valid ${encoding}: ${inflated}`);
    if (inflated.engine.bytesWritten === 0)
      return refuse('malformed', `body is not valid ${encoding}: no data`);
    frames.push(inflated.buffer);
    outputBytes += inflated.buffer.length;
    at += inflated.engine.bytesWritten;
  }
  return frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames);
}

async function inflateOnce(
  input: Buffer,
  encoding: Exclude<ContentEncoding, 'identity'>,
  maxOutputLength: number,
): Promise<Inflated | string> {
  const { sync, async } = INFLATE[encoding];
  if (input.length <= SYNC_INPUT_BYTES) {
    const result = attempt(() =>
      sync(input, { maxOutputLength: Math.min(maxOutputLength + 1, SYNC_OUTPUT_BYTES), info: true }),
    );
    if (result !== 'too large') return checked(result, maxOutputLength);
  }
  try {
    return checked(
      (await async(input, { maxOutputLength: maxOutputLength + 1, info: true })) as unknown as Inflated,
      maxOutputLength,
    );
  } catch (error) {
    return failure(error);
  }
}

/** zlib refuses an output limit of 0, so one byte more is allowed and then refused here. */
function checked(result: Inflated | string, maxBytes: number): Inflated | string {
  return typeof result !== 'string' && result.buffer.length > maxBytes ? 'too large' : result;
}

function attempt(inflate: () => unknown): Inflated | string {
  try {
    return inflate() as Inflated;
  } catch (error) {
    return failure(error);
  }
}

function failure(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ERR_BUFFER_TOO_LARGE' ? 'too large' : message;
}
