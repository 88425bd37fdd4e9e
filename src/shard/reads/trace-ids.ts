import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { rowLine } from '../../shared/read/ndjson.ts';
import { countedSpans, inSlots } from './counted.ts';
import { linesOf, query } from './query.ts';
import type { ReadContext } from './read.ts';
import { createParameters, fromKey, hexLiteral, when } from './where.ts';

/** The distinct traces of some slots: what other shards may have as well cannot be added up as counts. */
export async function readTraceIds(
  { connection, asOf, mostRows }: ReadContext,
  request: ParsedShardRead<'traceIds'>,
): Promise<Iterable<string>> {
  const parameters = createParameters();
  const service = request.byService ? 'service' : "''";
  const fromStart = when(request.startAt, ([name, traceId]) =>
    fromKey([service, 'trace_id'], '>=', [parameters.text(name), hexLiteral(traceId, 'UHUGEINT')]),
  );
  const result = await query(
    connection,
    `SELECT DISTINCT ${service}, trace_id
     FROM store.spans WHERE ${countedSpans(request, asOf, parameters, [inSlots(request.slots), fromStart])}
     ORDER BY ALL LIMIT ${Math.min(request.limit, mostRows)}`,
    parameters,
  );
  return linesOf(result, row => {
    const [name, traceId] = row as [string, bigint];
    return rowLine([name, traceIdHex(traceId)], '{}');
  });
}

function traceIdHex(traceId: bigint): string {
  return traceId.toString(16).padStart(32, '0');
}
