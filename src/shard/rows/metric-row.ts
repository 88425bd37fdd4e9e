import { valueJson } from '../../shared/read/metric-value.ts';
import type { MetricRow } from '../../shared/read/model.ts';
import { nanosKey } from '../../shared/read/ndjson.ts';
import { formatNanos } from '../../shared/time.ts';
import type { MetricRecord } from '../store/tables.ts';
import { tieText } from './ids.ts';
import { jsonObject } from './json.ts';
import { bareRows, type RowKind } from './row-kind.ts';
import { type ShownAttributes, showAttributes, withAttributes } from './typed-attributes.ts';

export const METRIC_ROWS: RowKind<MetricRecord> = {
  table: 'metrics',
  columns: [
    'time_ns',
    'service',
    'name',
    'metric_type',
    'value',
    'unit',
    'attributes',
    'otlp',
    'tie',
    'source',
  ],
  texts: ['attributes', 'otlp'],
  time: 'time_ns',
  stored: (values, source) => ({
    timeNs: values[0] as bigint,
    service: values[1] as string,
    name: values[2] as string,
    metricType: values[3] as MetricRecord['metricType'],
    value: values[4] as number | null,
    unit: values[5] as string,
    attributes: values[6] as string,
    otlp: values[7] as string | null,
    tie: values[8] as bigint,
    source,
  }),
  key: metric => [nanosKey(metric.timeNs), metric.name, metric.service, tieText(metric.tie)],
  json: metricRowJson,
};

/** Without what the request calls bare. */
export const BARE_METRIC_ROWS = bareRows(METRIC_ROWS, {
  without: ['otlp'],
  json: metric => jsonObject<BareMetricRow>(bareMembers(metric, showAttributes(metric.attributes).texts)),
});

type BareMetricRow = Omit<MetricRow, 'otlp' | 'resource' | 'scope'>;

function metricRowJson(metric: MetricRecord): string {
  const { texts, typed } = showAttributes(metric.attributes);
  return jsonObject<MetricRow>({
    ...bareMembers(metric, texts),
    otlp: otlpOf(metric, typed),
    resource: metric.source.resource,
    scope: metric.source.scope,
  });
}

function bareMembers(metric: MetricRecord, attributes: string) {
  return {
    timestamp: JSON.stringify(formatNanos(metric.timeNs)),
    service: JSON.stringify(metric.service),
    name: JSON.stringify(metric.name),
    metric_type: JSON.stringify(metric.metricType),
    ...valueJson(metric.value),
    unit: JSON.stringify(metric.unit),
    attributes,
  };
}

type OtlpPoints = Readonly<Record<string, { readonly dataPoints: readonly [Record<string, never>] }>>;

/** The stored `Metric` with one data point, to which the typed attributes belong. */
function otlpOf({ metricType, otlp }: MetricRecord, typed: ShownAttributes['typed']): string {
  const stored = otlp ?? `{"${metricType}":{"dataPoints":[{}]}}`;
  if (typed.length === 0) return stored;
  const metric = JSON.parse(stored) as OtlpPoints;
  const withPoints = Object.entries(metric).map(([name, data]) =>
    Array.isArray(data.dataPoints)
      ? [name, { ...data, dataPoints: [withAttributes(data.dataPoints[0], typed)] }]
      : [name, data],
  );
  return JSON.stringify(Object.fromEntries(withPoints));
}
