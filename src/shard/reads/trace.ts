import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { nanosKey, rowLine } from '../../shared/read/ndjson.ts';
import { spanIdText } from '../rows/ids.ts';
import { columnList, sourcesOf, storedRow } from '../rows/row-kind.ts';
import { SPAN_ROWS } from '../rows/span-row.ts';
import type { Source } from '../store/tables.ts';
import { type QueryRows, query, type ReadContext, type ReadRows } from './read.ts';
import { createParameters, traceIdOf } from './where.ts';

/** Spans of one trace in one answer; a trace beyond it is not something a person reads. */
const MAX_SPANS = 100_000;
const NO_ROWS: ReadRows = { count: 0, lines: [], truncated: false };

/** Every span of a trace, oldest first, each in its last commit. */
export async function readTrace(
  { connection, hash }: ReadContext,
  request: ParsedShardRead<'trace'>,
): Promise<ReadRows> {
  const traceId = traceIdOf(request.traceId);
  if (traceId === undefined) return NO_ROWS;
  const commitNos = await commitsOf({ connection, hash }, request.traceId);
  if (commitNos.length === 0) return NO_ROWS;
  const parameters = createParameters();
  // Literal numbers let DuckDB skip what other commits stored.
  const result = await query(
    connection,
    `SELECT ${columnList(SPAN_ROWS)} FROM store.spans
     WHERE commit_no IN (${commitNos.join(', ')}) AND trace_id = ${parameters.traceId(traceId)}
     QUALIFY row_number() OVER (PARTITION BY span_id ORDER BY commit_no DESC, rowid DESC) = 1
     ORDER BY start_ns, span_id LIMIT ${parameters.unsigned(String(MAX_SPANS + 1))}`,
    parameters,
  );
  const count = Math.min(result.count, MAX_SPANS);
  const sources = await sourcesOf(connection, SPAN_ROWS, [result]);
  return { count, lines: render(result, sources, count), truncated: result.count > MAX_SPANS };
}

/** The commits that stored spans of a trace, and perhaps some of another trace with the same hash. */
async function commitsOf(
  { connection, hash }: Pick<ReadContext, 'connection' | 'hash'>,
  traceId: string,
): Promise<string[]> {
  const key = hash.hash64(Buffer.from(traceId, 'hex'));
  const parameters = createParameters();
  const result = await query(
    connection,
    `SELECT DISTINCT commit_no FROM store.trace_commits WHERE trace_key = ${parameters.unsigned(key.toString())}`,
    parameters,
  );
  return Array.from(result.column(0), String);
}

function* render(result: QueryRows, sources: ReadonlyMap<number, Source>, count: number): Generator<string> {
  let left = count;
  for (const row of result.rows()) {
    if (left-- === 0) return;
    const span = storedRow(SPAN_ROWS, row, sources);
    yield rowLine([nanosKey(span.startNs), spanIdText(span.spanId)], SPAN_ROWS.json(span));
  }
}
