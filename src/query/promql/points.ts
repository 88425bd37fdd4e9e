import { z } from 'zod';
import type { ShardReadRequest } from '../../shared/read/contract.ts';
import { pointValue } from '../../shared/read/metric-value.ts';
import { parseNanos } from '../../shared/time.ts';
import { everyRow } from '../merge/every-row.ts';
import type { ShardReads } from '../reads/read.ts';

/** A metric point; whatever else its row says is left behind. */
export interface Point {
  readonly name: string;
  readonly service: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly timeNs: bigint;
  /** Finite or not; absent when the point has none. */
  readonly value: number | undefined;
}

export type PointsRequest = Pick<ShardReadRequest<'metrics'>, 'fromNs' | 'name' | 'service' | 'attributes'>;

/** Unlike `z.record`, it leaves no key out. */
const texts = z.custom<Readonly<Record<string, string>>>(
  value =>
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every(text => typeof text === 'string'),
);
const metricPoint = z
  .object({
    timestamp: z.string().transform(parseNanos).pipe(z.bigint()),
    service: z.string(),
    name: z.string(),
    value: z.number().nullable(),
    value_text: z.enum(['NaN', 'Infinity', '-Infinity']).optional(),
    attributes: texts,
  })
  .transform(row => ({ ...row, timeNs: row.timestamp, value: pointValue(row) }));

/** Every point that the request matches, the newest first. */
export function everyPoint(shards: ShardReads, request: PointsRequest): AsyncGenerator<Point> {
  return everyRow(shards, {
    name: 'metrics',
    request: { ...request, bare: true },
    order: ['descending', 'descending', 'descending', 'descending'],
    schema: metricPoint,
  });
}
