/**
 * Sizes the pages that an answer's rows are read in. DuckDB does not count the result of a query against its memory
 * limit, so rows that are long must not be read whole just because an answer may have many: they are read until they
 * have as many bytes as an answer may.
 */
export interface PageSizer {
  /** Rows of the next page, of at most so many; 0 when there is no room for more. */
  next(mostRows: number): number;
  /** Rows that were read and are kept. */
  add(rows: number, sizeBytes: number): void;
  /** The bytes ended the pages, and not the rows that were asked for. */
  isCut(): boolean;
}

/** The first page is small enough for rows of any size; from then on their average is known. */
const FIRST_PAGE_ROWS = 10_000;
/** Later rows may be larger than the average so far. */
const GROWTH = 10;
/** What a row takes besides its texts. */
const ROW_BYTES = 200;

export function createPageSizer(maxBytes: number): PageSizer {
  let rows = 0;
  let sizeBytes = 0;
  let isCut = false;
  return {
    next(mostRows) {
      if (rows === 0) return Math.min(mostRows, FIRST_PAGE_ROWS);
      if (sizeBytes > maxBytes) {
        isCut ||= mostRows > 0;
        return 0;
      }
      const fitting = Math.ceil((maxBytes - sizeBytes + 1) / (sizeBytes / rows));
      return Math.min(mostRows, fitting, Math.max(GROWTH * rows, FIRST_PAGE_ROWS));
    },
    add(more, bytes) {
      rows += more;
      sizeBytes += bytes + more * ROW_BYTES;
    },
    isCut: () => isCut,
  };
}
