import type { DuckDBValue } from '@duckdb/node-api';
import type { PageSizer } from '../reads/page-sizer.ts';
import { columnSum, type QueryRows } from '../reads/query.ts';

/** Some rows of a result, by their positions in ascending order. */
export interface PickedRows {
  readonly result: QueryRows;
  readonly positions: readonly number[];
}

/**
 * The picked rows without the others, which a search that finds little would pile up: what DuckDB holds for a result
 * is there until the last reference to it is gone.
 */
export function onlyPicked(page: PickedRows): PickedRows {
  const { result, positions } = page;
  if (2 * positions.length > result.count) return page;
  const rows = [...at(new Set(positions), result.rows())];
  return {
    result: {
      count: rows.length,
      rows: () => rows,
      *column(index) {
        for (const row of rows) yield row[index] as DuckDBValue;
      },
    },
    positions: [...rows.keys()],
  };
}

/** Counts the picked rows of a page, as far as its column of text bytes tells. */
export function addPicked(pages: PageSizer, page: PickedRows, textBytes: number): void {
  const picked = joinPicked([page], page.positions.length);
  pages.add(picked.count, columnSum(picked, textBytes));
}

/** The first picked rows of several results, one after the other, as if they were one result. */
export function joinPicked(parts: readonly PickedRows[], limit: number): QueryRows {
  let left = limit;
  const kept = parts.map(({ result, positions }) => {
    const some = new Set(positions.slice(0, left));
    left -= some.size;
    return { result, positions: some };
  });
  return {
    count: limit - left,
    *rows() {
      for (const { result, positions } of kept) yield* at(positions, result.rows());
    },
    *column(index) {
      for (const { result, positions } of kept) yield* at(positions, result.column(index));
    },
  };
}

function* at<T>(positions: ReadonlySet<number>, values: Iterable<T>): Generator<T> {
  let position = 0;
  for (const value of values) if (positions.has(position++)) yield value;
}
