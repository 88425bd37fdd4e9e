import bindings, { type Vector as NativeVector } from '@duckdb/node-bindings';

/** The most rows DuckDB takes in one chunk. */
export const CHUNK_ROWS = 2048;

/**
 * A column of a chunk, laid out as DuckDB lays out its vectors (`duckdb.h`, "Vector Interface"): it goes over as one
 * block of memory instead of value by value, each of which would cost a call.
 */
export class Vector {
  /** The items, `widthBytes` each, in little endian; of a row that is null it does not matter what is there. */
  readonly buffer: ArrayBuffer;
  readonly #native: NativeVector;
  readonly #widthBytes: number;
  /** A bit for each row, set when it has a value. */
  readonly #validity = new Int32Array(CHUNK_ROWS / 32).fill(-1);
  #hasNulls = false;

  constructor(native: NativeVector, widthBytes: number) {
    this.#native = native;
    this.#widthBytes = widthBytes;
    this.buffer = new ArrayBuffer(CHUNK_ROWS * widthBytes);
  }

  setNull(at: number): void {
    this.#validity[at >> 5] = (this.#validity[at >> 5] as number) & ~(1 << (at & 31));
    this.#hasNulls = true;
  }

  /** Makes all rows valid again. */
  reset(): void {
    if (this.#hasNulls) this.#validity.fill(-1);
    this.#hasNulls = false;
  }

  /** Hands the first rows over. */
  flush(rowCount: number): void {
    bindings.copy_data_to_vector(this.#native, 0, this.buffer, 0, rowCount * this.#widthBytes);
    if (!this.#hasNulls) return;
    const { buffer, byteLength } = this.#validity;
    bindings.vector_ensure_validity_writable(this.#native);
    bindings.copy_data_to_vector_validity(this.#native, 0, buffer, 0, byteLength);
  }
}
