import type { Appender } from '../append.ts';
import type { Source } from '../tables.ts';
import type { Vector } from '../vector.ts';
import type { HeldPacked, PackedChunk } from './fields.ts';
import type { Layout } from './layout.ts';
import { countOf, type PackedList, type PackedRecord } from './list.ts';

/** The records of a commit that go to one table. */
export interface PackedRows<R extends PackedRecord> {
  readonly lists: readonly PackedList<R>[];
  /** Of every row to store, in turn, the number of its list and where its words begin there. */
  readonly places: Int32Array;
  readonly sourceIds: ReadonlyMap<Source, number>;
  /** What the commit adds, behind the columns of the records. */
  readonly columns: readonly CommitColumn[];
}

export interface CommitColumn {
  readonly widthBytes: number;
  fill(vector: Vector, chunk: Pick<PackedChunk, 'start' | 'end'>): void;
}

export async function appendPacked<R extends PackedRecord>(
  appender: Appender,
  { table, fields }: Layout<R>,
  { lists, places, sourceIds, columns }: PackedRows<R>,
): Promise<void> {
  const stored = fields.flatMap(({ field: { column }, offset }) =>
    column === undefined ? [] : [{ column, offset }],
  );
  const widthsBytes = [
    ...stored.map(({ column }) => column.widthBytes),
    ...columns.map(column => column.widthBytes),
  ];
  let held: readonly HeldPacked[] | undefined;
  await appender.appendChunks({ table, widthsBytes }, places.length / 2, (vectors, { start, end, texts }) => {
    held ??= lists.map(list => ({
      words: list.words,
      texts: texts.hold(list.texts),
      origins: list.origins,
      sourceIds: Int32Array.from(list.origins, ({ source }) => sourceId(sourceIds, source)),
    }));
    const chunk = { lists: held, places, start, end };
    for (const [index, { column, offset }] of stored.entries())
      column.fill(vectors[index] as Vector, chunk, offset);
    for (const [index, column] of columns.entries())
      column.fill(vectors[stored.length + index] as Vector, chunk);
  });
}

function sourceId(sourceIds: ReadonlyMap<Source, number>, source: Source): number {
  const id = sourceIds.get(source);
  if (id === undefined) throw new Error('a source has no number');
  return id;
}

/** The places of all records in the order in which they came. */
export function placesOf<R extends PackedRecord>(lists: readonly PackedList<R>[]): Int32Array {
  const places = new Int32Array(2 * countOf(lists));
  let at = 0;
  lists.forEach(({ length, layout }, number) => {
    for (let index = 0; index < length; index++) {
      places[at++] = number;
      places[at++] = index * layout.words;
    }
  });
  return places;
}
