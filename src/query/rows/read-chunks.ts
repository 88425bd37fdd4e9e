import type { Readable } from 'node:stream';
import { cutOffReason } from '../call-failure.ts';

type Chunk =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'end' }
  | { readonly kind: 'broken'; readonly reason: string };

/** Reads a body when asked to, and never ahead of more than the stream itself buffers. */
export interface ChunkReader {
  next(): Promise<Chunk>;
  /**
   * The rest is not needed. A short one is still read, in the background, for its connection can then be used again;
   * of a long one the connection is closed.
   */
  letGo(): void;
}

const MAX_REST_BYTES = 256 * 1024;
const MAX_REST_MS = 1_000;

export function readChunks(body: Readable): ChunkReader {
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;

  async function next(): Promise<Chunk> {
    try {
      const { done, value } = await chunks.next();
      return done ? { kind: 'end' } : { kind: 'bytes', bytes: value };
    } catch (error) {
      return { kind: 'broken', reason: cutOffReason(error) };
    }
  }

  async function readRest(): Promise<void> {
    const late = setTimeout(() => body.destroy(), MAX_REST_MS).unref();
    for (let restBytes = 0; restBytes <= MAX_REST_BYTES; ) {
      const chunk = await next();
      if (chunk.kind !== 'bytes') break;
      restBytes += chunk.bytes.length;
    }
    clearTimeout(late);
    body.destroy();
  }

  return { next, letGo: () => void readRest() };
}
