import { type DuckDBConnection, DuckDBDataChunk } from '@duckdb/node-api';
import bindings from '@duckdb/node-bindings';
import type { Column } from './columns.ts';
import { NativeTexts } from './native-texts.ts';
import { CHUNK_ROWS, Vector } from './vector.ts';

/** A table of the schema `store` and all of its columns, in their order. */
export interface AppendedTable<Row> {
  readonly table: string;
  readonly columns: readonly Column<Row>[];
}

/** Appends to the tables of one connection. */
export interface Appender {
  /** Adds rows to the running transaction. */
  append<Row>(table: AppendedTable<Row>, rows: readonly Row[]): Promise<void>;
  /** The same for rows that a function puts into the vectors itself, from one to the other. */
  appendChunks(shape: TableShape, rowCount: number, fill: FillChunk): Promise<void>;
}

interface TableShape {
  readonly table: string;
  /** Of the columns, in their order. */
  readonly widthsBytes: readonly number[];
}

/** Puts rows from `start` to before `end` into the vectors, from their first item on. */
type FillChunk = (vectors: readonly Vector[], range: ChunkRange) => void;

interface ChunkRange {
  readonly start: number;
  readonly end: number;
  readonly texts: NativeTexts;
}

/** A chunk of a table's columns; it costs as much to make as some hundred rows. */
interface TableChunk {
  readonly chunk: DuckDBDataChunk;
  readonly vectors: readonly Vector[];
}

export function createAppender(connection: DuckDBConnection): Appender {
  const chunks = new Map<string, TableChunk>();
  const texts = new NativeTexts();

  async function appendChunks(shape: TableShape, rowCount: number, fill: FillChunk): Promise<void> {
    if (rowCount === 0) return;
    const { table, widthsBytes } = shape;
    const appender = await connection.createAppender(table, 'store');
    try {
      let made = chunks.get(table);
      if (made === undefined) {
        made = createChunk(
          widthsBytes.map((_, index) => appender.columnType(index)),
          widthsBytes,
        );
        chunks.set(table, made);
      }
      const { chunk, vectors } = made;
      for (let start = 0; start < rowCount; start += CHUNK_ROWS) {
        const end = Math.min(start + CHUNK_ROWS, rowCount);
        chunk.reset();
        chunk.rowCount = end - start;
        for (const vector of vectors) vector.reset();
        fill(vectors, { start, end, texts });
        for (const vector of vectors) vector.flush(end - start);
        appender.appendDataChunk(chunk);
      }
      // Rows still in the appender are not part of the transaction: COMMIT would not store them now, and a ROLLBACK
      // would not keep them from being stored later.
      appender.flushSync();
    } finally {
      texts.release();
      appender.clear();
      appender.closeSync();
    }
  }

  return {
    appendChunks,
    append({ table, columns }, rows) {
      const shape = { table, widthsBytes: columns.map(column => column.widthBytes) };
      return appendChunks(shape, rows.length, (vectors, range) => {
        // The rows of the chunk before are the appender's own copies by now.
        range.texts.release();
        const ofChunk = rows.slice(range.start, range.end);
        for (const [index, column] of columns.entries()) {
          column.fill(vectors[index] as Vector, ofChunk, range.texts);
        }
      });
    },
  };
}

type Types = Parameters<typeof DuckDBDataChunk.create>[0];

function createChunk(types: Types, widthsBytes: readonly number[]): TableChunk {
  const chunk = DuckDBDataChunk.create(types);
  const vectors = widthsBytes.map(
    (widthBytes, index) => new Vector(bindings.data_chunk_get_vector(chunk.chunk, index), widthBytes),
  );
  return { chunk, vectors };
}
