import type { MetricType } from '../../shared/read/contract.ts';
import { attributesBeyondValues, attributeValues, valuesJson } from './attributes.ts';
import type { MetricPoints } from './metric-points.ts';
import { type DataPoint, type Metric, toBigInt } from './otlp.ts';
import { otlpJson } from './otlp-json.ts';
import type { Sink } from './sink.ts';
import type { Surroundings } from './surroundings.ts';

interface MetricContext {
  readonly surroundings: Surroundings;
  /** Of the data points, in their order. */
  readonly ties: readonly bigint[];
  readonly sink: Sink;
}

/** The members of the oneof `Metric.data` and what the read API calls them (contract §2.5). */
const METRIC_TYPE_OF = {
  gauge: 'gauge',
  sum: 'sum',
  histogram: 'histogram',
  exponentialHistogram: 'histogram',
  summary: 'summary',
} as const satisfies Record<string, MetricType>;

type DataKind = keyof typeof METRIC_TYPE_OF;

export function decodeMetric(metric: Metric, { surroundings, ties, sink }: MetricContext): MetricPoints {
  const kind = (Object.keys(METRIC_TYPE_OF) as DataKind[]).find(candidate => metric[candidate] !== null);
  if (kind === undefined) return { count: 0, add: () => true };
  const restOf = restOfPoints(metric, kind);
  const points = metric[kind]?.dataPoints ?? [];
  const addPoint = (point: DataPoint, index: number) => {
    sink.records.metrics.push({
      timeNs: toBigInt(point.timeUnixNano),
      service: surroundings.metricService,
      name: metric.name,
      metricType: METRIC_TYPE_OF[kind],
      value: pointValue(kind, point),
      unit: metric.unit,
      attributes: valuesJson(attributeValues(point.attributes)),
      otlp: restOf(point),
      source: surroundings.source,
      // Points of another kind, which the metric was also sent with, are not there: the last kind counts.
      tie: ties[ties.length - points.length + index] ?? 0n,
    });
  };
  return {
    count: points.length,
    add(from, end) {
      for (let index = from; index < end; index++) addPoint(points[index] as DataPoint, index);
      return true;
    },
  };
}

/**
 * A number point's value, `null` when it has none (a point may say just that, by its flags); the sum of every other
 * kind, 0 when it has none. An integer is rounded to a double here.
 */
function pointValue(kind: DataKind, point: DataPoint): number | null {
  if (kind !== 'gauge' && kind !== 'sum') return point.sum ?? 0;
  if (Object.hasOwn(point, 'asInt')) return Number(toBigInt(point.asInt));
  return Object.hasOwn(point, 'asDouble') ? point.asDouble : null;
}

const METRIC_IN_THE_ROW: ReadonlySet<string> = new Set(['name', 'unit', ...Object.keys(METRIC_TYPE_OF)]);
const DATA_POINTS: ReadonlySet<string> = new Set(['dataPoints']);
const POINT_IN_THE_ROW: ReadonlySet<string> = new Set(['timeUnixNano', 'attributes', 'asDouble']);

/**
 * What the other columns do not tell: a `Metric` in OTLP/JSON with the one data point, without its time and its
 * string attributes. `asDouble` is the row's value, `asInt` is repeated in full. `null` when all there is to tell is
 * the kind, and its name is the metric type.
 */
function restOfPoints(metric: Metric, kind: DataKind): (point: DataPoint) => string | null {
  const data = metric[kind];
  const metricRest = otlpJson(metric, METRIC_IN_THE_ROW);
  const dataRest = data === null ? {} : otlpJson(data, DATA_POINTS);
  const isPlain =
    kind === METRIC_TYPE_OF[kind] && Object.keys(metricRest).length + Object.keys(dataRest).length === 0;
  return point => {
    const attributes = attributesBeyondValues(point.attributes);
    const pointRest = { ...otlpJson(point, POINT_IN_THE_ROW), ...(attributes.length > 0 && { attributes }) };
    if (isPlain && Object.keys(pointRest).length === 0) return null;
    return JSON.stringify({ ...metricRest, [kind]: { ...dataRest, dataPoints: [pointRest] } });
  };
}
