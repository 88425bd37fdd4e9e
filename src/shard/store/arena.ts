import { type BufferPool, NO_POOL } from '../../shared/buffer-pool.ts';

/** Texts one behind the other in UTF-8, each known by where it begins and how many bytes it has. */
export class Arena {
  bytes: Buffer = NO_BYTES;
  /** Of the same bytes. */
  view: DataView = NO_VIEW;
  sizeBytes = 0;
  readonly #expectedBytes: number;
  readonly #buffers: BufferPool;

  /** Takes no memory before the first text comes. */
  constructor(expectedBytes: number, buffers = NO_POOL) {
    this.#expectedBytes = expectedBytes;
    this.#buffers = buffers;
  }

  /**
   * Makes room for so many bytes behind the last one; `bytes` and `view` may be others afterwards.
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
    this.#use(larger);
    this.#buffers.give(outgrown);
  }

  /** Gives the memory back: there are no texts any more. */
  release(): void {
    this.#buffers.give(this.bytes);
    this.#use(NO_BYTES);
    this.sizeBytes = 0;
  }

  #use(bytes: Buffer): void {
    this.bytes = bytes;
    this.view = viewOf(bytes);
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

  /** Adds the bytes in `[start, end)` of the source. */
  addRange(source: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    const { bytes } = this;
    let to = this.sizeBytes;
    this.sizeBytes += end - start;
    if (end - start > FEW_BYTES) bytes.set(source.subarray(start, end), to);
    else for (let at = start; at < end; at++) bytes[to++] = source[at] as number;
  }

  text(start: number, sizeBytes: number): string {
    return this.bytes.toString('utf8', start, start + sizeBytes);
  }
}

const NO_BYTES = Buffer.alloc(0);
const NO_VIEW = new DataView(NO_BYTES.buffer, 0, 0);
/** Up to here a loop over them is faster than a call into the runtime. */
const FEW_BYTES = 64;
/** Where texts begin and end is kept in 32 bits, signed. */
const MOST_BYTES = 2 ** 31 - 1;
/** Of UTF-8 for one unit of UTF-16. */
const MOST_BYTES_PER_UNIT = 3;

export function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
