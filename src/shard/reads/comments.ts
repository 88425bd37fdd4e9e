import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { nanosKey, rowLine } from '../../shared/read/ndjson.ts';
import { commentRowJson } from '../rows/comment-row.ts';
import { linesOf } from './query.ts';
import type { ReadContext } from './read.ts';
import { type KeySearch, keyPages, placesIn } from './row-keys.ts';
import type { RowOrder } from './row-order.ts';
import { when } from './where.ts';
import { firstRows, type Selection } from './wide-rows.ts';

const OLDEST_FIRST: RowOrder = {
  table: 'comments',
  columns: [
    ['created_ns', 'UBIGINT'],
    ['id', 'VARCHAR'],
    ['row_id', 'BIGINT'],
  ],
  direction: 'ASC',
};
const NEWEST_FIRST: RowOrder = { ...OLDEST_FIRST, direction: 'DESC' };

const COMMENTS: Selection = {
  table: 'comments',
  columns: ['id', 'trace_id', 'span_id', 'author', 'body', 'created_ns'],
  texts: ['author', 'body'],
  time: 'created_ns',
};

/** Comments on some traces or on all, in the order of their times. */
export async function readComments(
  context: ReadContext,
  request: ParsedShardRead<'comments'>,
): Promise<Iterable<string>> {
  const limit = Math.min(request.limit, context.mostRows);
  const pages = placesIn(keyPages(context, search(context, request, limit)));
  const result = await firstRows(context, COMMENTS, { pages, limit });
  return linesOf(result, row => {
    const [id, traceId, spanId, author, body, createdNs] = row as Columns;
    const comment = { id, traceId, spanId, author, body, createdNs };
    return rowLine([nanosKey(createdNs), id], commentRowJson(comment));
  });
}

type Columns = [string, string, string | null, string, string, bigint];

function search(
  { asOf }: ReadContext,
  { newestFirst, traceIds, startAt }: ParsedShardRead<'comments'>,
  rows: number,
): KeySearch {
  const [order, onward] = newestFirst ? ([NEWEST_FIRST, '<='] as const) : ([OLDEST_FIRST, '>='] as const);
  return {
    order,
    rows,
    conditions: parameters => [
      `commit_no <= ${asOf}`,
      when(traceIds, ids => `trace_id IN ${parameters.texts(ids)}`),
      when(
        startAt,
        ([createdNs, id]) =>
          `(created_ns, id) ${onward} (${parameters.unsigned(createdNs)}, ${parameters.text(id)})`,
      ),
    ],
  };
}
