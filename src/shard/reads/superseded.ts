import { query } from './query.ts';
import type { ReadContext } from './read.ts';
import { traceKeyOf } from './trace-key.ts';
import { createParameters } from './where.ts';

/** A span that a read found, and where. */
export interface FoundSpan {
  readonly traceId: bigint;
  readonly spanId: bigint;
  readonly commitNo: bigint;
  readonly rowId: bigint;
}

/**
 * Those of the spans that were stored again later, by row: only the last one of a span is shown. The commits of a
 * trace say where a later one could be, so that nearly always no span has to be looked at.
 */
export async function supersededOf(
  context: ReadContext,
  spans: readonly FoundSpan[],
): Promise<ReadonlySet<bigint>> {
  if (spans.length === 0) return new Set();
  const suspects = await storedAgain(context, spans);
  if (suspects.commitNos.size === 0) return new Set();
  const last = await lastRows(context, suspects);
  return new Set(
    suspects.spans.filter(span => (last.get(idOf(span)) ?? span.rowId) > span.rowId).map(span => span.rowId),
  );
}

interface Suspects {
  readonly spans: readonly FoundSpan[];
  /** Commits that may have them again. */
  readonly commitNos: ReadonlySet<bigint>;
}

async function storedAgain(context: ReadContext, spans: readonly FoundSpan[]): Promise<Suspects> {
  const { asOf, hash, traceIndex } = context;
  const keys = new Map<bigint, bigint>();
  let oldest = asOf;
  for (const { traceId, commitNo } of spans) {
    if (commitNo < oldest) oldest = commitNo;
    if (!keys.has(traceId)) keys.set(traceId, traceKeyOf(hash, traceId));
  }
  const commitsOf = await traceIndex.commitsOf(context, {
    keys: [...new Set(keys.values())],
    after: oldest - 1n,
  });
  const commitNos = new Set<bigint>();
  const suspects = spans.filter(span => {
    const later = (commitsOf.get(keys.get(span.traceId) as bigint) ?? []).filter(
      ({ commitNo, repeats }) => commitNo > span.commitNo || (commitNo === span.commitNo && repeats),
    );
    for (const { commitNo } of later) commitNos.add(commitNo);
    return later.length > 0;
  });
  return { spans: suspects, commitNos };
}

/** Row of the last one of each of the spans, as rows are in the order of their commits. */
async function lastRows(
  { connection }: ReadContext,
  { spans, commitNos }: Suspects,
): Promise<ReadonlyMap<string, bigint>> {
  const parameters = createParameters();
  const result = await query(
    connection,
    `SELECT trace_id, span_id, max(rowid) FROM store.spans
     WHERE commit_no IN (${[...commitNos].join(', ')})
       AND span_id IN ${parameters.unsignedNumbers(spans.map(span => span.spanId))}
     GROUP BY trace_id, span_id`,
    parameters,
  );
  const last = new Map<string, bigint>();
  for (const [traceId, spanId, rowId] of result.rows() as Iterable<[bigint, bigint, bigint]>)
    last.set(idOf({ traceId, spanId }), rowId);
  return last;
}

function idOf({ traceId, spanId }: Pick<FoundSpan, 'traceId' | 'spanId'>): string {
  return `${traceId}/${spanId}`;
}
