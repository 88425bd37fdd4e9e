import type { Matcher } from './matcher.ts';

/**
 * The part of PromQL that is answered (contract §1.3): one selector, a rate or an increase of it if asked for, and any
 * number of aggregations around that.
 */
export interface InstantQuery {
  /** All must match. */
  readonly matchers: readonly Matcher[];
  readonly over?: RangeFunction;
  /** The innermost first. */
  readonly aggregations: readonly Aggregation[];
}

export const RANGE_FUNCTIONS = ['rate', 'increase'] as const;

export interface RangeFunction {
  readonly name: (typeof RANGE_FUNCTIONS)[number];
  readonly rangeNs: bigint;
}

export const AGGREGATORS = ['sum', 'avg', 'min', 'max', 'count'] as const;

export interface Aggregation {
  readonly name: (typeof AGGREGATORS)[number];
  /** Labels to group by, none twice; all series are one group when there are none. */
  readonly by: readonly string[];
}
