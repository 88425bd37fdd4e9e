import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { nanosKey, rowLine } from '../../shared/read/ndjson.ts';
import { spanIdText } from '../rows/ids.ts';
import { columnList, sourcesOf, storedRow } from '../rows/row-kind.ts';
import { SPAN_ROWS } from '../rows/span-row.ts';
import { linesOf, query } from './query.ts';
import type { ReadContext } from './read.ts';
import { traceIdOf } from './where.ts';

/** Every span of a trace, oldest first, each in its last commit. */
export async function readTrace(
  context: ReadContext,
  request: ParsedShardRead<'trace'>,
): Promise<Iterable<string>> {
  const traceId = traceIdOf(request.traceId);
  if (traceId === undefined) return [];
  const { commitNos, repeats } = await commitsOf(context, request.traceId);
  if (commitNos.length === 0) return [];
  const { connection, mostRows } = context;
  // Numbers as literals: DuckDB plans them faster than parameters, and skips what other commits stored.
  const result = await query(
    connection,
    `SELECT ${columnList(SPAN_ROWS)} FROM store.spans
     WHERE commit_no IN (${commitNos.join(', ')}) AND trace_id = ${traceId}::UHUGEINT
     ${repeats || commitNos.length > 1 ? LAST_OF_SPAN : ''}
     ORDER BY start_ns, span_id LIMIT ${mostRows}`,
  );
  const sources = await sourcesOf(connection, SPAN_ROWS, [result]);
  return linesOf(result, row => {
    const span = storedRow(SPAN_ROWS, row, sources);
    return rowLine([nanosKey(span.startNs), spanIdText(span.spanId)], SPAN_ROWS.json(span));
  });
}

const LAST_OF_SPAN =
  'QUALIFY row_number() OVER (PARTITION BY span_id ORDER BY commit_no DESC, rowid DESC) = 1';

interface TraceCommits {
  /** Those that stored spans of the trace, and perhaps some of another trace with the same hash. */
  readonly commitNos: readonly bigint[];
  /** Whether one of them has a span more than once. */
  readonly repeats: boolean;
}

async function commitsOf({ connection, hash, asOf }: ReadContext, traceId: string): Promise<TraceCommits> {
  const key = hash.hash64(Buffer.from(traceId, 'hex'));
  const result = await query(
    connection,
    `SELECT commit_no, repeats FROM store.trace_commits
     WHERE trace_key = ${key}::UBIGINT AND commit_no <= ${asOf}`,
  );
  const repeats = [...result.column(1)].includes(true);
  return { commitNos: [...new Set(result.column(0) as Iterable<bigint>)], repeats };
}
