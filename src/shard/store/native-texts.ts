import bindings, { type DataChunk, type Vector as NativeVector } from '@duckdb/node-bindings';
import type { Arena } from './arena.ts';

/** Bytes of a `duckdb_string_t`, and those of a text that it holds itself. */
export const STRING_BYTES = 16;
const MOST_INLINED = 12;
const TWO_TO_32 = 2 ** 32;

/**
 * Arenas in memory of DuckDB, for the strings of a chunk to point into: a call for each arena, where one for each
 * string costs more than all else that is done to it.
 */
export class NativeTexts {
  readonly #chunk: DataChunk;
  readonly #vector: NativeVector;

  constructor() {
    // Of type BLOB, since pieces of an arena that nothing points to need not be texts.
    this.#chunk = bindings.create_data_chunk([bindings.create_logical_type(bindings.Type.BLOB)]);
    this.#vector = bindings.data_chunk_get_vector(this.#chunk, 0);
  }

  /** Copies the arena as it is now. The copy is there until `release`. */
  hold({ bytes, sizeBytes }: Arena): HeldTexts {
    // All of an arena as short as that are texts that need no pointer.
    if (sizeBytes <= MOST_INLINED) return new HeldTexts(bytes, 0, 0);
    bindings.vector_assign_string_element_len(this.#vector, 0, bytes.subarray(0, sizeBytes));
    const string = bindings.vector_get_data(this.#vector, STRING_BYTES);
    const view = new DataView(string.buffer, string.byteOffset, STRING_BYTES);
    return new HeldTexts(bytes, view.getUint32(8, true), view.getUint32(12, true));
  }

  release(): void {
    bindings.data_chunk_reset(this.#chunk);
  }
}

/** An arena whose texts strings of DuckDB can point to. */
export class HeldTexts {
  readonly #bytes: Buffer;
  /** The address of its first byte in DuckDB's memory. */
  readonly #addressLow: number;
  readonly #addressHigh: number;

  constructor(bytes: Buffer, addressLow: number, addressHigh: number) {
    this.#bytes = bytes;
    this.#addressLow = addressLow;
    this.#addressHigh = addressHigh;
  }

  /**
   * Writes the `duckdb_string_t` (`duckdb.h`) of a text, four words from `at` on: its size, and then either its bytes,
   * filled up with zeros, or the first four of them and a pointer.
   */
  writeString(words: Int32Array, at: number, start: number, sizeBytes: number): void {
    words[at] = sizeBytes;
    if (sizeBytes <= MOST_INLINED) {
      words[at + 1] = this.#word(start, sizeBytes);
      words[at + 2] = this.#word(start + 4, sizeBytes - 4);
      words[at + 3] = this.#word(start + 8, sizeBytes - 8);
      return;
    }
    const low = this.#addressLow + start;
    words[at + 1] = this.#word(start, 4);
    words[at + 2] = low;
    words[at + 3] = this.#addressHigh + (low >= TWO_TO_32 ? 1 : 0);
  }

  /** Up to four bytes, in little endian. */
  #word(start: number, sizeBytes: number): number {
    const bytes = this.#bytes;
    let word = 0;
    if (sizeBytes > 0) word = bytes[start] as number;
    if (sizeBytes > 1) word |= (bytes[start + 1] as number) << 8;
    if (sizeBytes > 2) word |= (bytes[start + 2] as number) << 16;
    if (sizeBytes > 3) word |= (bytes[start + 3] as number) << 24;
    return word;
  }
}
