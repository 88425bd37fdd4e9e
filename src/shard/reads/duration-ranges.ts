import type { ParsedShardRead } from '../../shared/read/contract.ts';
import type { Parameters } from './where.ts';

const MIN_DURATION = -(2n ** 63n);
const MAX_DURATION = 2n ** 63n - 1n;

type DurationRange = ParsedShardRead<'durationValues'>['ranges'][number];

interface RangeOptions {
  /** Which spans. */
  readonly conditions: string;
  /** Equally wide parts to cut each range into. */
  readonly parts: number;
  readonly parameters: Parameters;
}

/**
 * SQL for the spans in each of some closed ranges, once for every range that they are in: `service`, `duration_ns`, the
 * `range` by its index, and the `part` of it, counted from 0.
 *
 * Rows outside their range are gone before the part is computed, so `duration_ns - min_ns` cannot be negative. Wider
 * ranges than a signed 64-bit number can count take 128 bits, which are ten times as slow to divide.
 */
export function spansInRanges(
  ranges: readonly DurationRange[],
  { conditions, parts, parameters }: RangeOptions,
): string {
  const bounds = ranges.map(stored);
  const offset = bounds.every(({ minNs, maxNs }) => maxNs - minNs < MAX_DURATION) ? 'BIGINT' : 'HUGEINT';
  const rows = bounds.map(({ minNs, maxNs, service }, index) => {
    const name = service === undefined ? 'NULL' : parameters.text(service);
    const width = (maxNs - minNs) / BigInt(parts) + 1n;
    const values = `(${index}, ${name}::VARCHAR, (${minNs})::BIGINT, (${maxNs})::BIGINT, (${width})::${offset})`;
    return { values, isOfService: service !== undefined };
  });
  const spansIn = (group: readonly { readonly values: string }[], sameService: string) =>
    `SELECT service, duration_ns, cut.range, (duration_ns::${offset} - cut.min_ns) // cut.width AS part
     FROM store.spans
     JOIN (VALUES ${group.map(({ values }) => values).join(', ')}) AS cut(range, of_service, min_ns, max_ns, width)
       ON ${sameService} AND duration_ns BETWEEN cut.min_ns AND cut.max_ns
     WHERE ${conditions}`;
  // Apart, because with an equality alone in front of it DuckDB can hash a join, which is ten times as fast.
  const { true: ofServices, false: ofAll } = Object.groupBy(rows, row => `${row.isOfService}` as const);
  return [
    ...(ofServices === undefined ? [] : [spansIn(ofServices, 'service = cut.of_service')]),
    ...(ofAll === undefined ? [] : [spansIn(ofAll, 'true')]),
  ].join(' UNION ALL ');
}

interface Bounds {
  readonly minNs: bigint;
  readonly maxNs: bigint;
  readonly service: string | undefined;
}

/** The bounds as far as durations can reach them; those of nothing for a range that none can be in. */
function stored({ service, ...range }: DurationRange): Bounds {
  const minNs = BigInt(range.minNs);
  const maxNs = BigInt(range.maxNs);
  if (minNs > maxNs || minNs > MAX_DURATION || maxNs < MIN_DURATION)
    return { minNs: 0n, maxNs: -1n, service };
  return {
    minNs: minNs < MIN_DURATION ? MIN_DURATION : minNs,
    maxNs: maxNs > MAX_DURATION ? MAX_DURATION : maxNs,
    service,
  };
}
