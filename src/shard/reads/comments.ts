import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { nanosKey, rowLine } from '../../shared/read/ndjson.ts';
import { commentRowJson } from '../rows/comment-row.ts';
import { type QueryRows, query, type ReadContext, type ReadRows } from './read.ts';
import { allOf, createParameters, when } from './where.ts';

/** Comments on some traces or on all, in the order of their times. */
export async function readComments(
  { connection, asOf }: ReadContext,
  request: ParsedShardRead<'comments'>,
): Promise<ReadRows> {
  const parameters = createParameters();
  const [direction, isBehind] = request.newestFirst ? ['DESC', '<='] : ['ASC', '>='];
  const conditions = allOf([
    `commit_no <= ${asOf}`,
    when(request.traceIds, ids => `trace_id IN ${parameters.texts(ids)}`),
    when(
      request.startAt,
      ([createdNs = '', id = '']) =>
        `(created_ns, id) ${isBehind} (${parameters.unsigned(createdNs)}, ${parameters.text(id)})`,
    ),
  ]);
  const result = await query(
    connection,
    `SELECT id, trace_id, span_id, author, body, created_ns FROM store.comments WHERE ${conditions}
     ORDER BY created_ns ${direction}, id ${direction} LIMIT ${request.limit}`,
    parameters,
  );
  return { count: result.count, lines: render(result), truncated: false };
}

type Columns = [string, string, string | null, string, string, bigint];

function* render(result: QueryRows): Generator<string> {
  for (const row of result.rows()) {
    const [id, traceId, spanId, author, body, createdNs] = row as Columns;
    yield rowLine(
      [nanosKey(createdNs), id],
      commentRowJson({ id, traceId, spanId, author, body, createdNs }),
    );
  }
}
