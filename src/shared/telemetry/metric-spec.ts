import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** One metric as it is registered and documented: `docs/TELEMETRY.md` is generated from these. */
export interface MetricSpec {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly unit: string;
  readonly help: string;
  /** When a person should look, in words. */
  readonly alert?: string;
  /** Upper bounds, for histograms. */
  readonly buckets?: readonly number[];
}

/** By name. */
export type MetricSpecs = Readonly<Record<string, MetricSpec>>;

type More = Pick<MetricSpec, 'alert'>;

export const counter = (labels: readonly string[], unit: string, help: string, more: More = {}) =>
  ({ type: 'counter', labels, unit, help, ...more }) as const;
export const gauge = (labels: readonly string[], unit: string, help: string, more: More = {}) =>
  ({ type: 'gauge', labels, unit, help, ...more }) as const;
export const seconds = (labels: readonly string[], help: string) =>
  ({ type: 'histogram', labels, unit: 'seconds', help, buckets: SECONDS_BUCKETS }) as const;

/** From a request that met nobody else to one that waited for its deadline. */
const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

interface InstrumentOf {
  readonly counter: Counter;
  readonly gauge: Gauge;
  readonly histogram: Histogram;
}

/** A prom-client instrument for every declared metric, by name. */
export type Instruments<S extends MetricSpecs> = { readonly [N in keyof S]: InstrumentOf[S[N]['type']] };

export function registerMetrics<S extends MetricSpecs>(specs: S, registry: Registry): Instruments<S> {
  const entries = Object.entries(specs).map(([name, spec]) => [name, instrument(name, spec, registry)]);
  return Object.fromEntries(entries) as Instruments<S>;
}

function instrument(name: string, spec: MetricSpec, registry: Registry): Counter | Gauge | Histogram {
  const options = { name, help: spec.help, labelNames: spec.labels, registers: [registry] };
  switch (spec.type) {
    case 'counter':
      return new Counter(options);
    case 'gauge':
      return new Gauge(options);
    case 'histogram':
      return new Histogram({ ...options, buckets: [...(spec.buckets ?? [])] });
  }
}
