import { METRICS } from '../../src/ingest/telemetry/metrics.ts';
import { QUERY_METRICS } from '../../src/query/telemetry/metrics.ts';
import { SHARD_METRICS } from '../../src/shard/telemetry/metrics.ts';
import type { MetricSpecs } from '../../src/shared/telemetry/metric-spec.ts';
import { createProcessRegistry } from '../../src/shared/telemetry/process-registry.ts';

export interface KnownSeries {
  readonly labels: ReadonlySet<string>;
  /** What its help and its alert quote: the values that its labels can have, among other things. */
  readonly quoted: ReadonlySet<string>;
}

/** What Prometheus adds to every series. */
const TARGET_LABELS = ['job', 'instance'];

/** Every series that a scrape of any part of the product can have, by name, and `up`. */
export const KNOWN_SERIES: ReadonlyMap<string, KnownSeries> = new Map([
  ['up', series([])],
  ...[METRICS, QUERY_METRICS, SHARD_METRICS].flatMap(seriesOf),
  ...processMetrics().map(({ name, labelNames }) => [name, series(['process', ...labelNames])] as const),
]);

function seriesOf(specs: MetricSpecs): [string, KnownSeries][] {
  return Object.entries(specs).flatMap(
    ([name, { type, labels, help, alert = '' }]): [string, KnownSeries][] => {
      const text = `${help} ${alert}`;
      if (type !== 'histogram') return [[name, series(labels, text)]];
      return [
        [`${name}_bucket`, series([...labels, 'le'], text)],
        [`${name}_sum`, series(labels, text)],
        [`${name}_count`, series(labels, text)],
      ];
    },
  );
}

function series(labels: readonly string[], text = ''): KnownSeries {
  const quoted = [...text.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
  return { labels: new Set([...TARGET_LABELS, ...labels]), quoted: new Set(quoted) };
}

function processMetrics() {
  return createProcessRegistry('any').getMetricsAsArray() as unknown as readonly {
    readonly name: string;
    readonly labelNames: readonly string[];
  }[];
}
