import { type BufferPool, NO_POOL } from '../../../shared/buffer-pool.ts';
import { Arena } from '../arena.ts';
import type { Rows, Source } from '../tables.ts';
import { ORIGIN_AT, type Origin, type Packed } from './fields.ts';
import type { Layout } from './layout.ts';

/** What every packed record has. */
export interface PackedRecord {
  readonly service: string;
  readonly source: Source;
}

interface Room {
  /** Of all that the records are made from, about. */
  readonly expectedBytes: number;
  readonly buffers: BufferPool;
}

/** What a record is made from, about. */
const USUAL_BYTES = 512;
const FEW_RECORDS: Room = { expectedBytes: 16 * USUAL_BYTES, buffers: NO_POOL };
/** Memory of its own begins where words can; smaller buffers share theirs. */
const LEAST_BYTES = 4096;
const NO_WORDS = new Int32Array(0);

/**
 * Records packed into numbers and bytes, which are what DuckDB is given. As objects they would cost several times as
 * much as reading them off the wire does, and all of them would be garbage a moment later.
 */
export class PackedList<R extends PackedRecord> implements Rows<R>, Packed {
  length = 0;
  /** Those of the layout for each record. Nothing is taken before the first one comes. */
  words: Int32Array = NO_WORDS;
  readonly texts: Arena;
  readonly origins: Origin[] = [];
  readonly layout: Layout<R>;
  readonly #room: Room;
  #wordBytes: Buffer | undefined;

  constructor(layout: Layout<R>, room = FEW_RECORDS) {
    this.layout = layout;
    this.texts = new Arena(room.expectedBytes, room.buffers);
    this.#room = room;
  }

  static of<R extends PackedRecord>(layout: Layout<R>, rows: Rows<R>): PackedList<R> {
    if (rows instanceof PackedList) return rows;
    const list = new PackedList(layout);
    for (const row of rows) list.push(row);
    return list;
  }

  /** Where the words of the next record are to be written, all of them, before `length` is raised. */
  next(): number {
    const at = this.length * this.layout.words;
    if (at + this.layout.words > this.words.length) this.#makeRoom();
    return at;
  }

  /** The number of the origin, which the record before often has as well. */
  origin(service: string, source: Source): number {
    const last = this.origins.at(-1);
    if (last === undefined || last.source !== source || last.service !== service) {
      const serviceStart = this.texts.sizeBytes;
      this.origins.push({ service, source, serviceStart, serviceBytes: this.texts.addText(service) });
    }
    return this.origins.length - 1;
  }

  /** Writes a member of the record whose words begin at `at`. */
  set<Member extends keyof R>(at: number, member: Member, value: R[Member]): void {
    const { at: offsets, members } = this.layout;
    members[member].write(this, at + offsets[member], value);
  }

  push(record: R): void {
    const at = this.next();
    this.words[at + ORIGIN_AT] = this.origin(record.service, record.source);
    for (const { member, field, offset } of this.layout.fields)
      field.write(this, at + offset, record[member]);
    this.length++;
  }

  at(index: number): R {
    const at = index * this.layout.words;
    const record: Partial<R> = {};
    for (const { member, field, offset } of this.layout.fields)
      record[member] = field.read(this, at + offset);
    return record as R;
  }

  *[Symbol.iterator](): Generator<R> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }

  /** Gives the memory back: there are no records any more. */
  release(): void {
    this.length = 0;
    this.words = NO_WORDS;
    this.texts.release();
    if (this.#wordBytes !== undefined) this.#room.buffers.give(this.#wordBytes);
    this.#wordBytes = undefined;
  }

  #makeRoom(): void {
    const { expectedBytes, buffers } = this.#room;
    const records = Math.max(Math.ceil(expectedBytes / USUAL_BYTES), 2 * this.length);
    const outgrown = this.#wordBytes;
    const { words } = this;
    this.#wordBytes = buffers.take(Math.max(LEAST_BYTES, 4 * records * this.layout.words));
    const { buffer, byteOffset, byteLength } = this.#wordBytes;
    this.words = new Int32Array(buffer, byteOffset, byteLength >> 2);
    this.words.set(words);
    if (outgrown !== undefined) buffers.give(outgrown);
  }
}

/** The largest of a time in all the records; `null` without any. */
export function latest<R extends PackedRecord>(
  lists: readonly PackedList<R>[],
  member: keyof R,
): bigint | null {
  let high = -1;
  let low = -1;
  for (const { words, length, layout } of lists) {
    const end = length * layout.words;
    for (let at = layout.at[member]; at < end; at += layout.words) {
      const itsHigh = (words[at + 1] as number) >>> 0;
      if (itsHigh < high) continue;
      const itsLow = (words[at] as number) >>> 0;
      if (itsHigh === high && itsLow <= low) continue;
      high = itsHigh;
      low = itsLow;
    }
  }
  return high < 0 ? null : (BigInt(high) << 32n) | BigInt(low);
}

export function countOf(lists: readonly { readonly length: number }[]): number {
  return lists.reduce((sum, { length }) => sum + length, 0);
}
