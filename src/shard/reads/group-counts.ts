import type { GroupCount, ParsedShardRead } from '../../shared/read/contract.ts';
import { rowLine } from '../../shared/read/ndjson.ts';
import { countedSpans } from './counted.ts';
import { linesOf, query } from './query.ts';
import type { ReadContext } from './read.ts';
import { allOf, createParameters, type Parameters, timeWindow, when } from './where.ts';

/** How many records each group has. Names compare as their bytes: an ENUM would compare as it is declared. */
export async function readGroupCounts(
  { connection, asOf, mostRows }: ReadContext,
  request: ParsedShardRead<'groupCounts'>,
): Promise<Iterable<string>> {
  const parameters = createParameters();
  const columns = request.by.map((column, index) => `${column} AS name${index}`).join(', ');
  const names = request.by.map((_, index) => `name${index}::VARCHAR`);
  const conditions = allOf([
    when(request.atLeast, least => `row_count >= ${least}`),
    when(request.groups, groups => `[${names.join(', ')}] IN ${parameters.textLists(groups)}`),
  ]);
  const largest = when(request.top, top => `ORDER BY row_count DESC, ${names.join(', ')} LIMIT ${top}`);
  const result = await query(
    connection,
    `SELECT ${names.join(', ')}, row_count FROM (
       SELECT * FROM (
         SELECT ${columns}, count(*) AS row_count
         FROM store.${request.of} WHERE ${counted(request, asOf, parameters)} GROUP BY ALL
       ) WHERE ${conditions} ${largest ?? ''}
     ) ORDER BY ${names.join(', ')} LIMIT ${mostRows}`,
    parameters,
  );
  return linesOf(result, row => {
    const group = row.slice(0, -1) as string[];
    const state: GroupCount = { group, count: Number(row.at(-1)) };
    return rowLine(group, JSON.stringify(state));
  });
}

function counted(request: ParsedShardRead<'groupCounts'>, asOf: bigint, parameters: Parameters): string {
  if (request.of === 'spans') {
    const ofStatus = when(request.status, status => `status = ${parameters.text(status)}`);
    return countedSpans(request, asOf, parameters, [ofStatus]);
  }
  return allOf([
    `commit_no <= ${asOf}`,
    timeWindow('time_ns', request, parameters),
    when(request.service, service => `service = ${parameters.text(service)}`),
  ]);
}
