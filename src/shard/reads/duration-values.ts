import type { DurationValue, ParsedShardRead } from '../../shared/read/contract.ts';
import { nanosKey, rowLine, signedKey } from '../../shared/read/ndjson.ts';
import { countedSpans } from './counted.ts';
import { spansInRanges } from './duration-ranges.ts';
import { linesOf, query } from './query.ts';
import type { ReadContext } from './read.ts';
import { createParameters } from './where.ts';

/** The distinct durations of each range: the last step to a percentile. */
export async function readDurationValues(
  { connection, asOf, mostRows }: ReadContext,
  request: ParsedShardRead<'durationValues'>,
): Promise<Iterable<string>> {
  const parameters = createParameters();
  const conditions = countedSpans(request, asOf, parameters);
  const spans = spansInRanges(request.ranges, { conditions, parts: 1, parameters });
  const result = await query(
    connection,
    `SELECT range, duration_ns, count(*) FROM (${spans})
     GROUP BY ALL ORDER BY range, duration_ns LIMIT ${mostRows}`,
    parameters,
  );
  return linesOf(result, row => {
    const [range, valueNs, count] = row as [number, bigint, bigint];
    const state: DurationValue = { range, value_ns: String(valueNs), count: Number(count) };
    return rowLine([nanosKey(BigInt(range)), signedKey(valueNs)], JSON.stringify(state));
  });
}
