import { createRowMerge, type RowMerge } from '../merge/k-way.ts';
import type { Page, PageEnd } from './page.ts';
import type { ShardRows } from './shard-rows.ts';

/** Merges the rows of a page into JSON text, as far as the shards have sent them. */
export interface Gatherer {
  /**
   * Goes on until the text has so many bytes (`full`), a shard must be waited for (`starved`), or the page has all its
   * rows (`done`).
   */
  fill(maxBytes: number): 'full' | 'starved' | 'done';
  waitingFor(): readonly ShardRows[];
  /** Rows that may still be needed, with the one that shows that there are more. */
  missing(): number;
  /** The text since the last call, in pieces: rows with a comma before each but the first of all. */
  take(): readonly Buffer[];
  rowCount(): number;
  /** Where the page ended, once it is done; `undefined` when there are no rows behind it. */
  end(): PageEnd | undefined;
}

const COMMA = Buffer.from(',');

export function createGatherer({ plan, cursor }: Page, sources: readonly ShardRows[]): Gatherer {
  const { order, identity, limit } = plan;
  const merge = createRowMerge({ sources, order, identity, after: cursor?.key });
  let text: Buffer[] = [];
  let sizeBytes = 0;
  let rowCount = 0;
  let fullAt: PageEnd | undefined;
  let hasMore = false;

  return {
    fill(maxBytes) {
      while (sizeBytes < maxBytes) {
        const row = merge.next();
        if (row === undefined) return merge.waitingFor().length > 0 ? 'starved' : 'done';
        if (rowCount === limit) {
          hasMore = true;
          return 'done';
        }
        if (rowCount > 0) text.push(COMMA);
        text.push(row.json);
        sizeBytes += row.json.length + 1;
        rowCount++;
        if (rowCount === limit) fullAt = { key: row.key, given: givenOf(merge) };
      }
      return 'full';
    },
    waitingFor: merge.waitingFor,
    missing: () => limit + 1 - rowCount,
    take() {
      const taken = text;
      text = [];
      sizeBytes = 0;
      return taken;
    },
    rowCount: () => rowCount,
    end: () => (hasMore ? fullAt : undefined),
  };
}

function givenOf(merge: RowMerge<ShardRows>): ReadonlyMap<string, number> {
  return new Map([...merge.givenOfLast()].map(([{ shardId }, given]) => [shardId, given]));
}
