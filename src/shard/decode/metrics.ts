import type { MetricType } from '../../shared/read/contract.ts';
import type { MetricRecord } from '../store/tables.ts';
import { attributesBeyondTexts, attributeTexts, serviceOf, textsJson } from './attributes.ts';
import { type DataPoint, type Metric, type MetricsData, toBigInt } from './otlp.ts';
import { otlpJson } from './otlp-json.ts';
import type { Sink } from './sink.ts';
import { resourceJson, type Surroundings, scopeJson } from './surroundings.ts';

export type TieOfMetric = (record: Omit<MetricRecord, 'tie'>) => string;

export function decodeMetrics(data: MetricsData, sink: Sink, tieOf: TieOfMetric): void {
  for (const resourceMetrics of data.resourceMetrics) {
    const service = serviceOf(resourceMetrics.resource, 'are skipped');
    const resource = resourceJson(resourceMetrics);
    for (const scopeMetrics of resourceMetrics.scopeMetrics) {
      const surroundings = { service, resource, scope: scopeJson(scopeMetrics) };
      for (const metric of scopeMetrics.metrics) {
        for (const record of metricRecords(metric, surroundings)) {
          sink.records.metrics.push({ ...record, tie: tieOf(record) });
        }
      }
    }
  }
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

function* metricRecords(metric: Metric, surroundings: Surroundings): Generator<Omit<MetricRecord, 'tie'>> {
  const kind = (Object.keys(METRIC_TYPE_OF) as DataKind[]).find(candidate => metric[candidate] !== null);
  if (kind === undefined) return;
  const restOf = restOfPoints(metric, kind);
  for (const point of metric[kind]?.dataPoints ?? []) {
    yield {
      time_ns: toBigInt(point.timeUnixNano),
      ...surroundings,
      name: metric.name,
      metric_type: METRIC_TYPE_OF[kind],
      value: pointValue(kind, point),
      unit: metric.unit,
      attributes: textsJson(attributeTexts(point.attributes)),
      otlp: JSON.stringify(restOf(point)),
    };
  }
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
 * What a row's own members do not tell: a `Metric` in OTLP/JSON with the one data point, without its time and its
 * string attributes. `asDouble` is the row's value, `asInt` is repeated in full.
 */
function restOfPoints(metric: Metric, kind: DataKind): (point: DataPoint) => Record<string, unknown> {
  const data = metric[kind];
  const metricRest = otlpJson(metric, METRIC_IN_THE_ROW);
  const dataRest = data === null ? {} : otlpJson(data, DATA_POINTS);
  return point => {
    const attributes = attributesBeyondTexts(point.attributes);
    const pointRest = { ...otlpJson(point, POINT_IN_THE_ROW), ...(attributes.length > 0 && { attributes }) };
    return { ...metricRest, [kind]: { ...dataRest, dataPoints: [pointRest] } };
  };
}
