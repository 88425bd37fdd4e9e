/** Smaller pieces are copied together: a buffer of its own costs a few hundred bytes, however little is in it. */
const SMALL_BYTES = 4 * 1024;
const BLOCK_BYTES = 16 * 1024;

/** Bytes that come piece by piece, in memory of about their size whatever the size of the pieces. */
export class GatheredBytes {
  readonly #parts: Buffer[] = [];
  #block = Buffer.alloc(0);
  /** What of the block is not among the parts yet. */
  #from = 0;
  #to = 0;

  /** Larger pieces are kept as they are, so they must not change. */
  add(piece: Buffer): void {
    if (piece.length >= SMALL_BYTES) {
      this.#endPart();
      this.#parts.push(piece);
      return;
    }
    if (piece.length > this.#block.length - this.#to) {
      this.#endPart();
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#from = 0;
      this.#to = 0;
    }
    this.#to += piece.copy(this.#block, this.#to);
  }

  whole(): Buffer {
    this.#endPart();
    return this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts);
  }

  #endPart(): void {
    if (this.#to > this.#from) this.#parts.push(this.#block.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }
}
