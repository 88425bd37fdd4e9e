import { z } from 'zod';
import type { ShardReadRequest } from '../../shared/read/contract.ts';
import { pointValue } from '../../shared/read/metric-value.ts';
import { compareKeys, type KeyOrder } from '../merge/key-order.ts';
import { BrokenPart, type RowPart, rowsOf } from '../merge/row-part.ts';
import type { ShardReads } from '../reads/read.ts';

/** A metric point; whatever else its row says is left behind. */
export interface Point {
  readonly name: string;
  readonly service: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly timeNs: bigint;
  /** Hash of the whole point: orders those of one time, wherever they are stored. */
  readonly tie: string;
  /** Finite or not; absent when the point has none. */
  readonly value: number | undefined;
}

export type PointsRequest = Omit<ShardReadRequest<'metrics'>, 'asOf' | 'limit' | 'startAt' | 'oldestFirst'>;

/** Of one shard in one round; some ten megabytes. */
const PAGE_ROWS = 20_000;
const NEWEST_FIRST: KeyOrder = ['descending', 'descending', 'descending', 'descending'];

/**
 * Every point that the request matches, each once, in pages of no particular order within. All pages see one snapshot.
 * A page takes what all shards have up to the key where the first of them stopped; the next one starts there.
 */
export async function* pointPages(
  shards: Pick<ShardReads, 'ask'>,
  request: PointsRequest,
  pageRows = PAGE_ROWS,
): AsyncGenerator<readonly Point[]> {
  let startAt: Key | undefined;
  for (let limit = pageRows; ; ) {
    const parts = (await shards.ask('metrics', { ...request, limit, startAt })).map(decode);
    const stops = parts.filter(rows => rows.length === limit).map(rows => rows.at(-1)?.key as Key);
    const [stop] = stops.sort((a, b) => compareKeys(a, b, NEWEST_FIRST));
    const page = parts
      .flat()
      .filter(({ key }) => stop === undefined || compareKeys(key, stop, NEWEST_FIRST) < 0);
    yield page.map(pointOf);
    if (stop === undefined) return;
    // More rows of one key than a page holds: only a larger page gets past them.
    limit = page.length === 0 ? 2 * limit : pageRows;
    startAt = stop;
  }
}

type Key = [string, string, string, string];

const metricKey = z.tuple([z.string().regex(/^\d{20}$/), z.string(), z.string(), z.string()]);
const metricRow = z.object({
  service: z.string(),
  name: z.string(),
  value: z.number().nullable(),
  value_text: z.enum(['NaN', 'Infinity', '-Infinity']).optional(),
  attributes: z.custom<Record<string, string>>(
    value =>
      typeof value === 'object' &&
      value !== null &&
      Object.values(value).every(text => typeof text === 'string'),
  ),
});

interface MetricLine {
  readonly key: Key;
  readonly row: z.output<typeof metricRow>;
}

function decode(part: RowPart): MetricLine[] {
  const lines = Array.from(rowsOf(part), ({ key, rowJson }) => {
    try {
      return { key: metricKey.parse(key), row: metricRow.parse(JSON.parse(rowJson)) };
    } catch (error) {
      throw new BrokenPart(part.shardId, 'sent a malformed metric point', { cause: error });
    }
  });
  for (const [index, { key }] of lines.entries()) {
    const before = lines[index - 1]?.key;
    if (before !== undefined && compareKeys(before, key, NEWEST_FIRST) > 0) {
      throw new BrokenPart(part.shardId, 'sent rows out of order');
    }
  }
  return lines;
}

function pointOf({ key: [time, , , tie], row }: MetricLine): Point {
  const { name, service, attributes } = row;
  return { name, service, attributes, timeNs: BigInt(time), tie, value: pointValue(row) };
}
