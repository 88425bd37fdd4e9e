import type { Holdings, ParsedShardRead } from '../../shared/read/contract.ts';
import { rowLine } from '../../shared/read/ndjson.ts';
import { linesOf, query } from './query.ts';
import type { ReadContext } from './read.ts';

/** What the shard has, in one row. */
export async function readHoldings(
  { connection, asOf }: ReadContext,
  _request: ParsedShardRead<'holdings'>,
): Promise<Iterable<string>> {
  const count = (table: string) => `(SELECT count(*) FROM store.${table} WHERE commit_no <= ${asOf})`;
  const result = await query(
    connection,
    `SELECT ${count('spans')}, ${count('logs')}, ${count('metrics')}, ${count('comments')},
       (SELECT count(*) FROM store.blobs), (SELECT floor_commit FROM store.shard_state)`,
  );
  return linesOf(result, row => {
    const [spans, logs, metrics, comments, blobs, floor] = row as bigint[];
    const holdings: Holdings = {
      spans: Number(spans),
      logs: Number(logs),
      metrics: Number(metrics),
      comments: Number(comments),
      blobs: Number(blobs),
      floor: String(floor),
    };
    return rowLine([], JSON.stringify(holdings));
  });
}
