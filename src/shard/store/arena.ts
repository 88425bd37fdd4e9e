import { type BufferPool, NO_POOL } from '../../shared/buffer-pool.ts';

/** Texts one behind the other in UTF-8, each known by where it begins and how many bytes it has. */
export class Arena {
  bytes: Buffer = NO_BYTES;
  sizeBytes = 0;
  readonly #expectedBytes: number;
  readonly #buffers: BufferPool;

  /** Takes no memory before the first text comes. */
  constructor(expectedBytes: number, buffers = NO_POOL) {
    this.#expectedBytes = expectedBytes;
    this.#buffers = buffers;
  }

  /**
   * Makes room for so many bytes behind the last one; `bytes` may be another buffer afterwards.
   * @throws RangeError beyond 2 GiB
   */
  reserve(moreBytes: number): void {
    const neededBytes = this.sizeBytes + moreBytes;
    if (neededBytes <= this.bytes.length) return;
    if (neededBytes > MOST_BYTES)
      throw new RangeError(`texts of ${neededBytes} bytes do not fit into ${MOST_BYTES}`);
    const usualBytes = Math.max(this.#expectedBytes, 2 * this.bytes.length);
    const larger = this.#buffers.take(Math.max(Math.min(usualBytes, MOST_BYTES), neededBytes));
    const outgrown = this.bytes;
    outgrown.copy(larger, 0, 0, this.sizeBytes);
    this.bytes = larger;
    this.#buffers.give(outgrown);
  }

  /** Gives the memory back: there are no texts any more. */
  release(): void {
    this.#buffers.give(this.bytes);
    this.bytes = NO_BYTES;
    this.sizeBytes = 0;
  }

  /** Adds a text and returns its size; it begins where the arena ended before. */
  addText(text: string): number {
    // To count the bytes of a text costs as much as writing it, so they are counted where there may be no room.
    if (this.sizeBytes + MOST_BYTES_PER_UNIT * text.length > this.bytes.length)
      this.reserve(Buffer.byteLength(text));
    const sizeBytes = this.bytes.write(text, this.sizeBytes);
    this.sizeBytes += sizeBytes;
    return sizeBytes;
  }

  addBytes(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.sizeBytes);
    this.sizeBytes += bytes.length;
  }

  /** Few bytes, as names are: a loop over them is faster than a call into the runtime. */
  addRange(source: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    const { bytes } = this;
    for (let at = start; at < end; at++) bytes[this.sizeBytes++] = source[at] as number;
  }

  text(start: number, sizeBytes: number): string {
    return this.bytes.toString('utf8', start, start + sizeBytes);
  }
}

const NO_BYTES = Buffer.alloc(0);
/** Where texts begin and end is kept in 32 bits, signed. */
const MOST_BYTES = 2 ** 31 - 1;
/** Of UTF-8 for one unit of UTF-16. */
const MOST_BYTES_PER_UNIT = 3;
