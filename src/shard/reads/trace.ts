import type { DuckDBConnection } from '@duckdb/node-api';
import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { nanosKey, rowLine } from '../../shared/read/ndjson.ts';
import { spanRowJson } from '../rows.ts';
import { columnList, recordOf } from '../store/tables.ts';
import { type QueryRows, query, type ReadRows } from './read.ts';
import { createParameters } from './where.ts';

/** Spans of one trace in one answer; a trace beyond it is not something a person reads. */
const MAX_SPANS = 100_000;

/** Every span of a trace, oldest first, each in its last commit. */
export async function readTrace(
  connection: DuckDBConnection,
  { traceId }: ParsedShardRead<'trace'>,
): Promise<ReadRows> {
  const parameters = createParameters();
  const result = await query(
    connection,
    `SELECT ${columnList('spans')} FROM spans WHERE trace_id = ${parameters.text(traceId)}
     QUALIFY row_number() OVER (PARTITION BY span_id ORDER BY commit_no DESC, ordinal DESC) = 1
     ORDER BY start_ns, span_id LIMIT ${parameters.unsigned(String(MAX_SPANS + 1))}`,
    parameters,
  );
  const count = Math.min(result.count, MAX_SPANS);
  return { count, lines: render(result, count), truncated: result.count > MAX_SPANS };
}

function* render(result: QueryRows, count: number): Generator<string> {
  let left = count;
  for (const row of result.rows()) {
    if (left-- === 0) return;
    const span = recordOf('spans', row);
    yield rowLine([nanosKey(span.start_ns), span.span_id], spanRowJson(span));
  }
}
