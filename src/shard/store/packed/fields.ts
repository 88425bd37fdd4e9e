import type { Arena } from '../arena.ts';
import { type HeldTexts, STRING_BYTES } from '../native-texts.ts';
import type { Source } from '../tables.ts';
import type { Vector } from '../vector.ts';

/** What the records of one scope of one request share. */
export interface Origin {
  readonly service: string;
  readonly source: Source;
  /** The service among the texts. */
  readonly serviceStart: number;
  readonly serviceBytes: number;
}

/** Records as numbers and bytes. */
export interface Packed {
  /** Of 32 bits; a longer number has its lowest first. */
  readonly words: Int32Array;
  readonly texts: Arena;
  readonly origins: readonly Origin[];
}

/** The same where strings of DuckDB can point to the texts, with the stored numbers of the sources. */
export interface HeldPacked {
  readonly words: Int32Array;
  readonly texts: HeldTexts;
  readonly origins: readonly Origin[];
  readonly sourceIds: Int32Array;
}

/** The rows from `start` to before `end`, which become the first ones of a chunk. */
export interface PackedChunk {
  readonly lists: readonly HeldPacked[];
  /** Of every row, in turn, the number of its list and where its words begin there. */
  readonly places: Int32Array;
  readonly start: number;
  readonly end: number;
}

/** A member of a record: how it lies in the record's words, and how a column of DuckDB has it. */
export interface Field<Value> {
  readonly words: number;
  write(packed: Packed, at: number, value: Value): void;
  read(packed: Packed, at: number): Value;
  /** Absent when the member is not stored. */
  readonly column?: FieldColumn | undefined;
}

interface FieldColumn {
  readonly widthBytes: number;
  /** Puts the member of each row, which is `offset` words behind where the row begins, into the vector. */
  fill(vector: Vector, chunk: PackedChunk, offset: number): void;
}

/** A number of 64 or 128 bits. */
export function unsigned(bits: 64 | 128): Field<bigint> {
  return {
    words: bits / 32,
    write({ words }, at, value) {
      if (BigInt.asUintN(bits, value) !== value) throw outOfRange(value, bits);
      for (let word = 0; word < bits / 32; word++)
        words[at + word] = Number(BigInt.asIntN(32, value >> BigInt(32 * word)));
    },
    read({ words }, at) {
      let value = 0n;
      for (let word = bits / 32 - 1; word >= 0; word--)
        value = (value << 32n) | BigInt((words[at + word] as number) >>> 0);
      return value;
    },
    column: bits === 64 ? TWO_WORDS : FOUR_WORDS,
  };
}

/** Packs a number of at most 64 bits without looking. */
export function writeUint64(words: Int32Array, at: number, value: bigint): void {
  words[at] = Number(BigInt.asIntN(32, value));
  words[at + 1] = Number(BigInt.asIntN(32, value >> 32n));
}

/** A number of 64 bits with a sign. */
export function signed(): Field<bigint> {
  const bits = unsigned(64);
  return {
    words: bits.words,
    write(packed, at, value) {
      if (BigInt.asIntN(64, value) !== value) throw outOfRange(value, 64);
      bits.write(packed, at, BigInt.asUintN(64, value));
    },
    read: (packed, at) => BigInt.asIntN(64, bits.read(packed, at)),
    column: TWO_WORDS,
  };
}

function outOfRange(value: bigint, bits: number): RangeError {
  return new RangeError(`${value} does not fit into ${bits} bits`);
}

/** A number of 16 bits. */
export function short(): Field<number> {
  return {
    words: 1,
    write({ words }, at, value) {
      words[at] = value;
    },
    read: ({ words }, at) => words[at] as number,
    column: {
      widthBytes: 2,
      fill({ buffer }, chunk, offset) {
        fillNumbers(new Uint16Array(buffer), chunk, offset);
      },
    },
  };
}

/** One of the values, stored as its number among them. */
export function oneOf<Value extends string>(values: readonly Value[]): Field<Value> {
  return {
    words: 1,
    write({ words }, at, value) {
      words[at] = values.indexOf(value);
    },
    read: ({ words }, at) => values[words[at] as number] as Value,
    column: {
      widthBytes: 1,
      fill({ buffer }, chunk, offset) {
        fillNumbers(new Uint8Array(buffer), chunk, offset);
      },
    },
  };
}

export function flag(): Field<boolean> {
  const noOrYes = oneOf(['no', 'yes']);
  return {
    ...noOrYes,
    write: (packed, at, value) => noOrYes.write(packed, at, value ? 'yes' : 'no'),
    read: (packed, at) => noOrYes.read(packed, at) === 'yes',
  };
}

/** A member that no column has. */
export function unstored<Value>(field: Field<Value>): Field<Value> {
  return { ...field, column: undefined };
}

/** Of a number that may be missing, the word behind it: whether it is there. */
const HAS_VALUE = 2;

/** A double that may be missing. */
export function optionalDouble(): Field<number | null> {
  const scratch = new Float64Array(1);
  const scratchWords = new Int32Array(scratch.buffer);
  return {
    words: 3,
    write({ words }, at, value) {
      scratch[0] = value ?? 0;
      words.set(scratchWords, at);
      words[at + HAS_VALUE] = value === null ? 0 : 1;
    },
    read({ words }, at) {
      if (words[at + HAS_VALUE] === 0) return null;
      scratchWords.set(words.subarray(at, at + 2));
      return scratch[0] as number;
    },
    column: {
      widthBytes: 8,
      fill(vector, chunk, offset) {
        TWO_WORDS.fill(vector, chunk, offset);
        const { lists, places, start, end } = chunk;
        for (let row = start; row < end; row++) {
          const { words } = lists[places[2 * row] as number] as HeldPacked;
          const at = (places[2 * row + 1] as number) + offset;
          if (words[at + HAS_VALUE] === 0) vector.setNull(row - start);
        }
      },
    },
  };
}

/** Size of a text that is missing. */
export const NO_TEXT = -1;

/** The place of a text's first byte among the texts, and its size in bytes. */
export function optionalText(): Field<string | null> {
  return {
    words: 2,
    write({ words, texts }, at, value) {
      words[at] = texts.sizeBytes;
      // What may not be missing is refused by the table.
      words[at + 1] = value === null || value === undefined ? NO_TEXT : texts.addText(value);
    },
    read({ words, texts }, at) {
      const sizeBytes = words[at + 1] as number;
      return sizeBytes === NO_TEXT ? null : texts.text(words[at] as number, sizeBytes);
    },
    column: {
      widthBytes: STRING_BYTES,
      fill(vector, { lists, places, start, end }, offset) {
        const target = new Int32Array(vector.buffer);
        for (let row = start; row < end; row++) {
          const { words, texts } = lists[places[2 * row] as number] as HeldPacked;
          const at = (places[2 * row + 1] as number) + offset;
          const sizeBytes = words[at + 1] as number;
          if (sizeBytes === NO_TEXT) vector.setNull(row - start);
          else texts.writeString(target, 4 * (row - start), words[at] as number, sizeBytes);
        }
      },
    },
  };
}

export function text(): Field<string> {
  const optional = optionalText();
  return { ...optional, read: (packed, at) => optional.read(packed, at) ?? '' };
}

/** Where the number of a record's {@link Origin} is among its words. */
export const ORIGIN_AT = 0;

/** The service of the record's origin. */
export function serviceOfOrigin(): Field<string> {
  return {
    words: 0,
    write() {},
    read: (packed, at) => originOf(packed, at).service,
    column: {
      widthBytes: STRING_BYTES,
      fill({ buffer }, { lists, places, start, end }) {
        const target = new Int32Array(buffer);
        for (let row = start; row < end; row++) {
          const list = lists[places[2 * row] as number] as HeldPacked;
          const { serviceStart, serviceBytes } = originOf(list, places[2 * row + 1] as number);
          list.texts.writeString(target, 4 * (row - start), serviceStart, serviceBytes);
        }
      },
    },
  };
}

/** The source of the record's origin, stored as its number. */
export function sourceOfOrigin(): Field<Source> {
  return {
    words: 0,
    write() {},
    read: (packed, at) => originOf(packed, at).source,
    column: {
      widthBytes: 4,
      fill({ buffer }, { lists, places, start, end }) {
        const target = new Int32Array(buffer);
        for (let row = start; row < end; row++) {
          const { words, sourceIds } = lists[places[2 * row] as number] as HeldPacked;
          target[row - start] = sourceIds[words[places[2 * row + 1] as number] as number] as number;
        }
      },
    },
  };
}

function originOf({ words, origins }: Pick<Packed, 'words' | 'origins'>, at: number): Origin {
  return origins[words[at + ORIGIN_AT] as number] as Origin;
}

const TWO_WORDS: FieldColumn = {
  widthBytes: 8,
  fill({ buffer }, { lists, places, start, end }, offset) {
    const target = new Int32Array(buffer);
    for (let row = start; row < end; row++) {
      const { words } = lists[places[2 * row] as number] as HeldPacked;
      const at = (places[2 * row + 1] as number) + offset;
      const to = 2 * (row - start);
      target[to] = words[at] as number;
      target[to + 1] = words[at + 1] as number;
    }
  },
};

const FOUR_WORDS: FieldColumn = {
  widthBytes: 16,
  fill({ buffer }, { lists, places, start, end }, offset) {
    const target = new Int32Array(buffer);
    for (let row = start; row < end; row++) {
      const { words } = lists[places[2 * row] as number] as HeldPacked;
      const at = (places[2 * row + 1] as number) + offset;
      const to = 4 * (row - start);
      target[to] = words[at] as number;
      target[to + 1] = words[at + 1] as number;
      target[to + 2] = words[at + 2] as number;
      target[to + 3] = words[at + 3] as number;
    }
  },
};

function fillNumbers(target: Uint8Array | Uint16Array, chunk: PackedChunk, offset: number): void {
  const { lists, places, start, end } = chunk;
  for (let row = start; row < end; row++) {
    const { words } = lists[places[2 * row] as number] as HeldPacked;
    target[row - start] = words[(places[2 * row + 1] as number) + offset] as number;
  }
}
