import { BIGINT, type DuckDBConnection, HUGEINT, LIST, listValue, UBIGINT, VARCHAR } from '@duckdb/node-api';
import { inTransaction } from '../store/transaction.ts';
import { query } from './query.ts';
import { durationRange, type Segment, type ServiceCounts, type Totals } from './service-counts.ts';

/**
 * A row for each service of a segment, and one for all together. More of them would take longer to store than a stop
 * should.
 */
const MAX_ROWS = 100_000;

/** Stores totals for {@link loadTotals}, in the place of those that are stored. Does nothing when they are too many. */
export async function storeTotals(connection: DuckDBConnection, { asOf, segments }: Totals): Promise<void> {
  const rows = segments.flatMap(({ after, upTo, counts }) =>
    Array.from(counts, ([service, each]) => ({ after, upTo, service, ...each })),
  );
  if (rows.length > MAX_ROWS) return;
  const numbers = (of: (row: (typeof rows)[number]) => bigint | number) =>
    listValue(rows.map(row => BigInt(of(row))));
  const ends = (end: 0 | 1) => listValue(rows.map(row => row.durationRangeNs?.[end] ?? null));
  await inTransaction(connection, async () => {
    await connection.run('DELETE FROM store.service_totals');
    await connection.run(
      `INSERT INTO store.service_totals
       SELECT ${asOf}, unnest($after), unnest($upTo), unnest($service), unnest($spans), unnest($errors),
         unnest($durationNs), unnest($traces), unnest($shortestNs), unnest($longestNs)`,
      {
        after: numbers(row => row.after),
        upTo: numbers(row => row.upTo),
        service: listValue(rows.map(row => row.service)),
        spans: numbers(row => row.spans),
        errors: numbers(row => row.errors),
        durationNs: numbers(row => row.durationNs),
        traces: numbers(row => row.traces),
        shortestNs: ends(0),
        longestNs: ends(1),
      },
      {
        after: LIST(UBIGINT),
        upTo: LIST(UBIGINT),
        service: LIST(VARCHAR),
        spans: LIST(UBIGINT),
        errors: LIST(UBIGINT),
        durationNs: LIST(HUGEINT),
        traces: LIST(UBIGINT),
        shortestNs: LIST(BIGINT),
        longestNs: LIST(BIGINT),
      },
    );
  });
}

/** What was stored last; segments in which nothing was counted are not there. */
export async function loadTotals(connection: DuckDBConnection): Promise<Totals> {
  const result = await query(
    connection,
    `SELECT counted_at, after_commit, up_to_commit, service, spans, errors, duration_ns, traces, shortest_ns, longest_ns
     FROM store.service_totals ORDER BY up_to_commit`,
  );
  let asOf = 0n;
  const segments: (Segment & { readonly counts: Map<string | null, ServiceCounts> })[] = [];
  for (const row of result.rows() as Iterable<StoredRow>) {
    const [countedAt, after, upTo, service, spans, errors, durationNs, traces, shortestNs, longestNs] = row;
    asOf = countedAt;
    if (segments.at(-1)?.upTo !== upTo) segments.push({ after, upTo, counts: new Map() });
    segments.at(-1)?.counts.set(service, {
      spans: Number(spans),
      errors: Number(errors),
      durationNs,
      durationRangeNs: durationRange(shortestNs, longestNs),
      traces: Number(traces),
    });
  }
  return { asOf, segments };
}

type StoredRow = readonly [
  countedAt: bigint,
  after: bigint,
  upTo: bigint,
  service: string | null,
  spans: bigint,
  errors: bigint,
  durationNs: bigint,
  traces: bigint,
  shortestNs: bigint | null,
  longestNs: bigint | null,
];
