import { z } from 'zod';
import type { ShardReadRequest } from '../../shared/read/contract.ts';
import { pointValue } from '../../shared/read/metric-value.ts';
import { parseNanos } from '../../shared/time.ts';
import { decoderOf, everyRow } from '../merge/every-row.ts';
import type { ShardReads } from '../reads/read.ts';

/** A metric point; whatever else its row says is left behind. */
export interface Point {
  /** Often one object for many points; others may say the same. */
  readonly source: PointSource;
  readonly timeNs: bigint;
  /** Finite or not; absent when the point has none. */
  readonly value: number | undefined;
}

export interface PointSource {
  readonly name: string;
  readonly service: string;
  readonly attributes: Readonly<Record<string, string>>;
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
  .transform(row => {
    const { name, service, attributes } = row;
    return { source: { name, service, attributes }, timeNs: row.timestamp, value: pointValue(row) };
  });

/** Every point that the request matches, the newest first. */
export function everyPoint(shards: ShardReads, request: PointsRequest): AsyncGenerator<Point> {
  return everyRow(shards, {
    name: 'metrics',
    request: { ...request, bare: true },
    order: ['descending', 'descending', 'descending', 'descending'],
    decode: createPointDecoder(),
  });
}

/**
 * The points of a series differ in their times and values. What else their rows say is decoded once, which is nearly all
 * that there is to it.
 */
function createPointDecoder(): (rowJson: string) => Point {
  const decode = decoderOf<Point>(metricPoint);
  const sources = new Map<string, PointSource>();
  return rowJson => {
    const split = splitRow(rowJson);
    const source = split && sources.get(split.rest);
    if (split !== undefined && source !== undefined) {
      return { source, timeNs: split.timeNs, value: split.value };
    }
    const point = decode(rowJson);
    if (split !== undefined) sources.set(split.rest, point.source);
    return point;
  };
}

interface SplitRow {
  readonly timeNs: bigint;
  readonly value: number;
  /** The row without them. */
  readonly rest: string;
}

const TIME_START = '{"timestamp":"';
const VALUE_START = ',"value":';
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** A row whose first members are as shards write them; any other one is looked at as a whole. */
function splitRow(rowJson: string): SplitRow | undefined {
  const timeEnd = rowJson.indexOf('"', TIME_START.length);
  const valueStart = rowJson.indexOf(VALUE_START, timeEnd);
  const valueEnd = rowJson.indexOf(',', valueStart + VALUE_START.length);
  if (!rowJson.startsWith(TIME_START) || valueStart < 0 || valueEnd < 0) return undefined;
  const timeNs = parseNanos(rowJson.slice(TIME_START.length, timeEnd));
  const value = numberOf(rowJson.slice(valueStart + VALUE_START.length, valueEnd));
  const before = rowJson.slice(timeEnd, valueStart);
  // A raw quote is no part of a text; behind a brace the value might be that of an object inside.
  if (timeNs === undefined || value === undefined || before.includes('{')) return undefined;
  return { timeNs, value, rest: before + rowJson.slice(valueEnd) };
}

function numberOf(json: string): number | undefined {
  const number = Number(json);
  return NUMBER.test(json) && Number.isFinite(number) ? number : undefined;
}
