import type { Counter, Gauge, Histogram, Logger, Tracer, UpDownCounter } from '@opentelemetry/api';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import {
  MeterProvider,
  PeriodicExportingMetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Signal } from '../../shared/otlp/signal.ts';
import { signalUrl } from '../otlp-post.ts';
import type { ServiceName } from './plan.ts';
import type { Tally } from './tally.ts';

/** One instrumented app, as far as OpenTelemetry sees it. Nothing is registered globally. */
export interface DemoService {
  readonly tracer: Tracer;
  readonly logger: Logger;
  readonly instruments: {
    readonly requests: Counter;
    readonly duration: Histogram;
    readonly queueDepth: Gauge;
    readonly openCarts: UpDownCounter;
    readonly tokens: Histogram;
  };
  /** Sends what is left; never rejects, the tally knows what failed. */
  shutdown(): Promise<void>;
}

export interface DemoServiceOptions {
  readonly name: ServiceName;
  readonly endpoint: URL;
  readonly exportTimeoutMs: number;
  readonly tally: Tally;
}

const VERSION = '1.4.2';
const METRIC_INTERVAL_MS = 5000;
/** Room for some seconds of the highest rate while the receiver is slow. */
const QUEUE = { scheduledDelayMillis: 1000, maxQueueSize: 20_000 } as const;

export function createDemoService({
  name,
  endpoint,
  exportTimeoutMs,
  tally,
}: DemoServiceOptions): DemoService {
  const resource = resourceFromAttributes({
    'service.name': name,
    'service.version': VERSION,
    'service.namespace': 'shop',
    'deployment.environment.name': 'demo',
  });
  const exporterOptions = (signal: Signal) => ({
    url: signalUrl(endpoint, signal).href,
    timeoutMillis: exportTimeoutMs,
  });
  const spans = counted('traces', { exporter: new OTLPTraceExporter(exporterOptions('traces')), tally });
  const logs = counted('logs', { exporter: new OTLPLogExporter(exporterOptions('logs')), tally });
  const metrics = new OTLPMetricExporter(exporterOptions('metrics'));

  const tracers = new TracerProvider({
    resource,
    spanProcessors: [
      {
        onStart: () => {},
        onEnd: () => tally.made('traces', 1),
        forceFlush: () => Promise.resolve(),
        shutdown: () => Promise.resolve(),
      },
      new BatchSpanProcessor({ exporter: spans, ...QUEUE }),
    ],
  });
  const loggers = new LoggerProvider({
    resource,
    processors: [
      {
        onEmit: () => tally.made('logs', 1),
        forceFlush: () => Promise.resolve(),
        shutdown: () => Promise.resolve(),
      },
      new BatchLogRecordProcessor({ exporter: logs, ...QUEUE }),
    ],
  });
  const meters = new MeterProvider({
    resource,
    readers: [
      new PeriodicExportingMetricReader({
        exportIntervalMillis: METRIC_INTERVAL_MS,
        exporter: countedMetrics(metrics, tally),
      }),
    ],
  });
  const meter = meters.getMeter('shop', VERSION);
  return {
    tracer: tracers.getTracer('shop', VERSION),
    logger: loggers.getLogger('shop', VERSION),
    instruments: {
      requests: meter.createCounter('shop.requests', { unit: '{request}', description: 'Requests served' }),
      duration: meter.createHistogram('http.server.request.duration', { unit: 's' }),
      queueDepth: meter.createGauge('shop.queue.depth', { unit: '{order}' }),
      openCarts: meter.createUpDownCounter('shop.carts.open', { unit: '{cart}' }),
      tokens: meter.createHistogram('gen_ai.client.token.usage', { unit: '{token}' }),
    },
    shutdown: async () => {
      await Promise.allSettled([tracers.shutdown(), loggers.shutdown(), meters.shutdown()]);
      // A provider whose last export failed leaves its exporter, and what that still sends, alone.
      await Promise.allSettled([spans.shutdown(), logs.shutdown(), metrics.shutdown()]);
    },
  };
}

interface ExportResult {
  readonly code: number;
  readonly error?: Error;
}

const SUCCESS = 0;

function errorOf({ code, error }: ExportResult): Error | undefined {
  return code === SUCCESS ? undefined : (error ?? new Error('the export failed'));
}

interface RecordExporter<Item> {
  export(items: Item[], done: (result: ExportResult) => void): void;
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
}

function counted<Item>(
  signal: Signal,
  { exporter, tally }: { readonly exporter: RecordExporter<Item>; readonly tally: Tally },
): RecordExporter<Item> {
  return {
    export: (items, done) =>
      exporter.export(items, result => {
        tally.exported(signal, items.length, errorOf(result));
        done(result);
      }),
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  };
}

/** Data points come to be when they are collected, so they are counted here altogether. */
function countedMetrics(exporter: OTLPMetricExporter, tally: Tally) {
  return {
    export: (metrics: ResourceMetrics, done: (result: ExportResult) => void) => {
      const points = metrics.scopeMetrics
        .flatMap(scope => scope.metrics)
        .reduce((sum, metric) => sum + metric.dataPoints.length, 0);
      tally.made('metrics', points);
      exporter.export(metrics, result => {
        tally.exported('metrics', points, errorOf(result));
        done(result);
      });
    },
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  };
}
