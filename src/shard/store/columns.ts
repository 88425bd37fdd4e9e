import { Arena } from './arena.ts';
import { type NativeTexts, STRING_BYTES } from './native-texts.ts';
import type { Vector } from './vector.ts';

/** A column of a table, and what its rows have in it; `null` for nothing. */
export interface Column<Row> {
  readonly widthBytes: number;
  /** Puts the items of rows, at most as many as a chunk has, into the column's vector. */
  fill(vector: Vector, rows: readonly Row[], texts: NativeTexts): void;
}

/** Of a type whose items have an array in JavaScript. */
interface Items<Item> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): { [at: number]: Item };
}

function column<Row, Item extends number | bigint>(
  items: Items<Item>,
  of: (row: Row) => Item | null,
): Column<Row> {
  return {
    widthBytes: items.BYTES_PER_ELEMENT,
    fill(vector, rows) {
      const target = new items(vector.buffer);
      for (let at = 0; at < rows.length; at++) {
        const item = of(rows[at] as Row);
        if (item === null) vector.setNull(at);
        else target[at] = item;
      }
    },
  };
}

export const uinteger = <Row>(of: (row: Row) => number) => column<Row, number>(Uint32Array, of);
export const ubigint = <Row>(of: (row: Row) => bigint | null) =>
  column<Row, bigint>(BigUint64Array, row => within(BigInt.asUintN, 64, of(row)));
export const bigint = <Row>(of: (row: Row) => bigint | null) =>
  column<Row, bigint>(BigInt64Array, row => within(BigInt.asIntN, 64, of(row)));

export function uhugeint<Row>(of: (row: Row) => bigint): Column<Row> {
  return {
    widthBytes: 16,
    fill(vector, rows) {
      const halves = new BigUint64Array(vector.buffer);
      for (let at = 0; at < rows.length; at++) {
        const item = of(rows[at] as Row);
        within(BigInt.asUintN, 128, item);
        halves[2 * at] = item;
        halves[2 * at + 1] = item >> 64n;
      }
    },
  };
}

/** Arrays of JavaScript would take the low bits of a number that is too large. */
function within(cut: typeof BigInt.asIntN, bits: number, item: bigint | null): bigint | null {
  if (item !== null && cut(bits, item) !== item)
    throw new RangeError(`${item} does not fit into ${bits} bits`);
  return item;
}

export const varchar = <Row>(of: (row: Row) => string | null) =>
  strings<Row, string>(of, (arena, text) => arena.addText(text));
export const blob = <Row>(of: (row: Row) => Uint8Array) =>
  strings<Row, Uint8Array>(of, (arena, bytes) => arena.addBytes(bytes));

/** What an item takes in an arena, about. */
const USUAL_BYTES = 64;

function strings<Row, Item>(
  of: (row: Row) => Item | null | undefined,
  add: (arena: Arena, item: Item) => void,
): Column<Row> {
  return {
    widthBytes: STRING_BYTES,
    fill(vector, rows, texts) {
      const arena = new Arena(USUAL_BYTES * rows.length);
      const ends = new Int32Array(rows.length);
      for (let at = 0; at < rows.length; at++) {
        const item = of(rows[at] as Row);
        // What may not be nothing is refused by the table.
        if (item === null || item === undefined) vector.setNull(at);
        else add(arena, item);
        ends[at] = arena.sizeBytes;
      }
      const held = texts.hold(arena);
      const words = new Int32Array(vector.buffer);
      for (let at = 0, start = 0; at < rows.length; at++) {
        const end = ends[at] as number;
        held.writeString(words, 4 * at, start, end - start);
        start = end;
      }
    },
  };
}
