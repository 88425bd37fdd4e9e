import { type DuckDBConnection, UBIGINT, UHUGEINT } from '@duckdb/node-api';
import type { SpanRecord } from './tables.ts';

/**
 * Marks every stored span that one of the records replaces (see {@link SpanRecord}), and returns those of the records
 * that a later one of them replaces, by their place among them.
 */
export async function replaceSpans(
  connection: DuckDBConnection,
  spans: readonly SpanRecord[],
  commitNo: bigint,
): Promise<ReadonlySet<number>> {
  const replaced = new Set<number>();
  const replacing = new Map<string, SpanRecord>();
  for (const [place, span] of [...spans.entries()].toReversed()) {
    const id = `${span.traceId}/${span.spanId}`;
    if (replacing.has(id)) replaced.add(place);
    else if (span.replaces) replacing.set(id, span);
  }
  for (const span of replacing.values()) await markReplaced(connection, span, commitNo);
  return replaced;
}

async function markReplaced(connection: DuckDBConnection, span: SpanRecord, commitNo: bigint): Promise<void> {
  const { traceKey, traceId, spanId } = span;
  const commits = await connection.runAndReadAll(
    'SELECT DISTINCT commit_no FROM store.trace_commits WHERE trace_key = $traceKey',
    { traceKey },
    { traceKey: UBIGINT },
  );
  const commitNos = commits.getRows().map(([no]) => String(no));
  if (commitNos.length === 0) return;
  // Literal numbers let DuckDB skip what other commits stored.
  await connection.run(
    `UPDATE store.spans SET replaced_at = $commitNo
     WHERE commit_no IN (${commitNos.join(', ')}) AND trace_id = $traceId AND span_id = $spanId AND replaced_at IS NULL`,
    { commitNo, traceId, spanId },
    { commitNo: UBIGINT, traceId: UHUGEINT, spanId: UBIGINT },
  );
}
