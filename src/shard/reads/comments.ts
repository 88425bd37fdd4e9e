import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { nanosKey, rowLine } from '../../shared/read/ndjson.ts';
import { commentRowJson } from '../rows/comment-row.ts';
import { linesOf, query } from './query.ts';
import type { ReadContext } from './read.ts';
import { allOf, createParameters, when } from './where.ts';

/** Comments on some traces or on all, in the order of their times. */
export async function readComments(
  { connection, asOf, mostRows }: ReadContext,
  request: ParsedShardRead<'comments'>,
): Promise<Iterable<string>> {
  const parameters = createParameters();
  const [direction, isBehind] = request.newestFirst ? ['DESC', '<='] : ['ASC', '>='];
  const conditions = allOf([
    `commit_no <= ${asOf}`,
    when(request.traceIds, ids => `trace_id IN ${parameters.texts(ids)}`),
    when(
      request.startAt,
      ([createdNs, id]) =>
        `(created_ns, id) ${isBehind} (${parameters.unsigned(createdNs)}, ${parameters.text(id)})`,
    ),
  ]);
  const result = await query(
    connection,
    `SELECT id, trace_id, span_id, author, body, created_ns FROM store.comments WHERE ${conditions}
     ORDER BY created_ns ${direction}, id ${direction} LIMIT ${Math.min(request.limit, mostRows)}`,
    parameters,
  );
  return linesOf(result, row => {
    const [id, traceId, spanId, author, body, createdNs] = row as Columns;
    const comment = { id, traceId, spanId, author, body, createdNs };
    return rowLine([nanosKey(createdNs), id], commentRowJson(comment));
  });
}

type Columns = [string, string, string | null, string, string, bigint];
