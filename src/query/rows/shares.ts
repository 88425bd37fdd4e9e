import type { RowPlan } from '../reads/read.ts';

/**
 * How many rows a shard is asked for first. Each shard has about an equal share of a page, so that asking all of them
 * for a whole page moves, and renders, as many pages as there are shards. One whose rows run out before the page is full
 * is asked again, which takes as long as the first time: a share has to be large enough for nearly every page.
 */
export interface Shares {
  /** @param pageRows - as many as the page can need of all shards together */
  firstRows(plan: RowPlan, of: { readonly pageRows: number; readonly shards: number }): number;
  /** What a page took of each shard. */
  learn(plan: RowPlan, page: { readonly pageRows: number; readonly taken: readonly number[] }): void;
}

/**
 * Rows come in clumps that lie on one shard: the spans of a trace, the points of a metric. The rows that a shard has of a
 * page then vary by the square root of their mean times the size of a clump. How large clumps are depends on the
 * question, from nothing to all rows, and is learned from the pages before.
 */
const FIRST_CLUMP = 8;
const LEAST_CLUMP = 1;
/** Standard deviations. */
const MARGIN = 3;
/** What was seen once counts for some hundred pages. */
const FADING = 0.99;

export function createShares(): Shares {
  const clumps = new Map<string, number>();

  return {
    firstRows(plan, { pageRows, shards }) {
      const mean = pageRows / shards;
      const clump = clumps.get(questionOf(plan)) ?? FIRST_CLUMP;
      return Math.min(pageRows, Math.ceil(mean + MARGIN * Math.sqrt(mean * clump)));
    },
    learn(plan, { pageRows, taken }) {
      const mean = pageRows / taken.length;
      const most = Math.max(...taken);
      const seen = (Math.max(0, most - mean) / MARGIN) ** 2 / mean;
      const question = questionOf(plan);
      const known = clumps.get(question) ?? FIRST_CLUMP;
      const isFull = taken.reduce((sum, rows) => sum + rows, 0) >= pageRows;
      // A page that is not full says nothing about clumps that are smaller than they were.
      clumps.set(question, Math.max(LEAST_CLUMP, seen, isFull ? known * FADING : known));
    },
  };
}

/** Questions that filter by the same columns, whatever by. */
function questionOf({ shardRead, request }: RowPlan): string {
  const filters = Object.entries(request).filter(([, value]) => value !== undefined && !isEmpty(value));
  return [shardRead, ...filters.map(([name]) => name)].join(' ');
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
