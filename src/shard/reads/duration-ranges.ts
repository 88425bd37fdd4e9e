import type { ParsedShardRead } from '../../shared/read/contract.ts';
import type { Parameters } from './where.ts';

const MIN_DURATION = -(2n ** 63n);
const MAX_DURATION = 2n ** 63n - 1n;

type DurationRange = ParsedShardRead<'durationValues'>['ranges'][number];

/** SQL for joining spans with closed ranges of durations. */
export interface DurationRanges {
  /** To come after `FROM store.spans`. */
  readonly join: string;
  /** Index of the range that a joined row is in. */
  readonly index: string;
  /** Which of the equally wide parts of its range a joined row is in, counted from 0. */
  readonly part: string;
}

/**
 * Rows outside their range are gone before the part is computed, so `duration_ns - min_ns` cannot be negative. Wider
 * ranges than a signed 64-bit number can count take 128 bits, which are about ten times as slow to divide.
 */
export function durationRanges(
  ranges: readonly DurationRange[],
  { parts, parameters }: { readonly parts: number; readonly parameters: Parameters },
): DurationRanges {
  const bounds = ranges.map(stored);
  const offset = bounds.every(({ minNs, maxNs }) => maxNs - minNs < MAX_DURATION) ? 'BIGINT' : 'HUGEINT';
  const rows = bounds.map(({ minNs, maxNs }, index) => {
    const service = ranges[index]?.service;
    const name = service === undefined ? 'NULL' : parameters.text(service);
    const width = (maxNs - minNs) / BigInt(parts) + 1n;
    return `(${index}, ${name}::VARCHAR, (${minNs})::BIGINT, (${maxNs})::BIGINT, (${width})::${offset})`;
  });
  // With an equality in it the join can hash, which is ten times as fast.
  const sameService = ranges.every(({ service }) => service !== undefined)
    ? 'service = range.of_service'
    : '(range.of_service IS NULL OR service = range.of_service)';
  return {
    join: `JOIN (VALUES ${rows.join(', ')}) AS range(index, of_service, min_ns, max_ns, width)
      ON ${sameService} AND duration_ns BETWEEN range.min_ns AND range.max_ns`,
    index: 'range.index',
    part: `(duration_ns::${offset} - range.min_ns) // range.width`,
  };
}

/** The bounds as far as durations can reach them; those of nothing for a range that none can be in. */
function stored(range: DurationRange): { readonly minNs: bigint; readonly maxNs: bigint } {
  const minNs = BigInt(range.minNs);
  const maxNs = BigInt(range.maxNs);
  if (minNs > maxNs || minNs > MAX_DURATION || maxNs < MIN_DURATION) return { minNs: 0n, maxNs: -1n };
  return {
    minNs: minNs < MIN_DURATION ? MIN_DURATION : minNs,
    maxNs: maxNs > MAX_DURATION ? MAX_DURATION : maxNs,
  };
}
