import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DuckDBConnection, DuckDBDataChunk } from '@duckdb/node-api';
import bindings from '@duckdb/node-bindings';
import { greater } from './bigints.ts';
import { query } from './query.ts';
import { type CommitRange, within } from './service-counts.ts';
import { TraceTable } from './trace-table.ts';

/** What is learned together, unless one commit alone has more spans. */
export interface AtOnce {
  readonly spans: number;
  readonly commits: number;
}

const AT_ONCE: AtOnce = { spans: 500_000, commits: 50_000 };
/** Of 2048 traces each. */
const CHUNKS_A_TURN = 4;

/** The traces of stored commits, from the last one back, a table of some commits after the other. */
export async function* learnTraces(
  connection: DuckDBConnection,
  { after, upTo }: CommitRange,
  atOnce = AT_ONCE,
): AsyncGenerator<TraceTable> {
  for (let before = upTo; before > after; ) {
    const range = { after: await cut(connection, { after, upTo: before }, atOnce), upTo: before };
    yield await tableOf(connection, range);
    before = range.after;
  }
}

/** The commit behind which the last ones of a range begin that are learned together. */
async function cut(
  connection: DuckDBConnection,
  { after, upTo }: CommitRange,
  { spans, commits }: AtOnce,
): Promise<bigint> {
  const range = { after: greater(after, upTo - BigInt(commits)), upTo };
  const result = await query(
    connection,
    `SELECT coalesce(min(commit_no) - 1, ${range.after}) FROM (
       SELECT commit_no, sum(spans) OVER (ORDER BY commit_no DESC) - spans AS newer_count
       FROM store.commits WHERE ${within(range)}
     ) WHERE newer_count < ${spans}`,
  );
  const [[behind]] = [...result.rows()] as [[bigint]];
  return behind;
}

async function tableOf(connection: DuckDBConnection, range: CommitRange): Promise<TraceTable> {
  const stored = await query(
    connection,
    `SELECT trace_key, (commit_no - ${range.after})::UINTEGER, repeats FROM store.trace_commits WHERE ${within(range)}`,
  );
  const table = new TraceTable(range.after, stored.count);
  let taken = 0;
  for (const chunk of stored.chunks()) {
    addChunk(table, chunk);
    if (++taken % CHUNKS_A_TURN === 0) await nextTurn();
  }
  table.extend(range.upTo);
  return table;
}

/** As blocks of memory: a value for each key would take ten times as long. None of the columns can be NULL. */
function addChunk(table: TraceTable, chunk: DuckDBDataChunk): void {
  const { rowCount } = chunk;
  const block = (column: number, widthBytes: number) =>
    bindings.vector_get_data(bindings.data_chunk_get_vector(chunk.chunk, column), rowCount * widthBytes);
  const [keys, commits] = [block(0, 8), block(1, 4)];
  const halves = new Int32Array(keys.buffer, keys.byteOffset, 2 * rowCount);
  const numbers = new Uint32Array(commits.buffer, commits.byteOffset, rowCount);
  const repeats = block(2, 1);
  for (const [index, commit] of numbers.entries()) {
    const [low, high] = [halves[2 * index] as number, halves[2 * index + 1] as number];
    table.add(low, high, commit, repeats[index] === 1);
  }
}
