import { z } from 'zod';
import type { ShardReadRequest } from '../../shared/read/contract.ts';
import { pointValue } from '../../shared/read/metric-value.ts';
import { everyRow } from '../merge/every-row.ts';
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

export type PointsRequest = Omit<
  ShardReadRequest<'metrics'>,
  'asOf' | 'limit' | 'startAt' | 'oldestFirst' | 'bare'
>;

/** Every point that the request matches, each once, newest first. */
export function everyPoint(
  shards: Pick<ShardReads, 'ask'>,
  request: PointsRequest,
  pageRows?: number,
): AsyncGenerator<Point> {
  return everyRow(shards, {
    name: 'metrics',
    request: { ...request, bare: true },
    order: ['descending', 'descending', 'descending', 'descending'],
    decode: ({ key, rowJson }) => pointOf(metricKey.parse(key), metricRow.parse(JSON.parse(rowJson))),
    ...(pageRows !== undefined && { pageRows }),
  });
}

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

function pointOf([time, , , tie]: z.output<typeof metricKey>, row: z.output<typeof metricRow>): Point {
  const { name, service, attributes } = row;
  return { name, service, attributes, timeNs: BigInt(time), tie, value: pointValue(row) };
}
