import { METRIC_TYPES } from '../../shared/read/contract.ts';
import { valueJson } from '../../shared/read/metric-value.ts';
import type { MetricRow } from '../../shared/read/model.ts';
import { nanosKey, rowLine } from '../../shared/read/ndjson.ts';
import { membersOf, NOTHING_MORE, textOf, textsOf, tieOf, timeOf, wordOf } from './members.ts';
import type { TaelSignal } from './signal.ts';

export interface TaelMetric {
  readonly timeNs: bigint;
  readonly row: Omit<MetricRow, 'value_text' | 'otlp' | 'resource' | 'scope'>;
}

/**
 * Metric points of a tael-server (contract §1.3). Where a value is null, nothing tells which one that is not finite it was.
 * Only those of one name come newest first; all others are in the order of their names (contract §3.5).
 */
export const METRICS: TaelSignal<'metrics', TaelMetric> = {
  name: 'metrics',
  path: '/api/v1/metrics',
  member: 'metrics',
  what: 'metric points',
  isNewestFirst: ({ name }) => name !== undefined,

  decode(value) {
    const point = membersOf(value);
    const time = timeOf(point?.timestamp);
    if (point === undefined || time === undefined) return undefined;
    const row: TaelMetric['row'] = {
      timestamp: time.text,
      service: textOf(point.service),
      name: textOf(point.name),
      metric_type: wordOf(point.metric_type, METRIC_TYPES, 'unknown'),
      value: typeof point.value === 'number' ? point.value : null,
      unit: textOf(point.unit),
      attributes: textsOf(point.attributes),
    };
    return { timeNs: time.ns, row };
  },

  params: ({ service, services, name, metricType }) => [
    ['service', service ?? (services?.length === 1 ? services[0] : undefined)],
    ['name', name],
    ['metric_type', metricType],
  ],

  matches({ row }, { service, services, name, metricType, attributes = [] }) {
    return (
      (service === undefined || row.service === service) &&
      (services === undefined || services.includes(row.service)) &&
      (name === undefined || row.name === name) &&
      (metricType === undefined || row.metric_type === metricType) &&
      attributes.every(([key, value]) => row.attributes[key] === value)
    );
  },

  key: ({ timeNs, row }) => [nanosKey(timeNs), row.name, row.service, tieOf(metricJson(row))],

  line(key, { row }, { bare = false }) {
    const json = metricJson(row);
    return rowLine(key, bare ? json : `${json.slice(0, -1)},${NOTHING_MORE}}`);
  },
};

function metricJson({ value, unit, attributes, ...start }: TaelMetric['row']): string {
  const rest = JSON.stringify({ unit, attributes }).slice(1);
  return `${JSON.stringify(start).slice(0, -1)},"value":${valueJson(value).value},${rest}`;
}
