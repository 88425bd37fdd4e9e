import { type Attributes, type Context, context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchLogRecordProcessor,
  LoggerProvider,
  type LogRecordExporter,
  type ReadableLogRecord,
} from '@opentelemetry/sdk-logs';
import type { PushMetricExporter, ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import {
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
  TracerProvider,
} from '@opentelemetry/sdk-trace';

/** What an app exported: the SDK's own objects, as its exporters were given them. */
export interface Exported {
  readonly spans: ReadableSpan[];
  readonly logs: ReadableLogRecord[];
  readonly metrics: ResourceMetrics[];
}

export interface Exporters {
  readonly spans: SpanExporter;
  readonly logs: LogRecordExporter;
  readonly metrics: PushMetricExporter;
}

interface AppOptions {
  readonly service: string;
  readonly exporters: Exporters;
  /** Traces to make; logs and metrics come along. */
  readonly traces: number;
}

const EVERY_KIND_OF_VALUE: Attributes = {
  text: 'grüße 😀 "quoted"\n',
  empty: '',
  int: 42,
  negative: -7,
  double: 0.1,
  yes: true,
  texts: ['a', 'b'],
  ints: [1, 2, 3],
  doubles: [1.5, -2.5],
  flags: [true, false],
};

/** Runs an app with the real SDK until everything it made was exported; throws when an export failed. */
export async function runApp({ service, exporters, traces }: AppOptions): Promise<Exported> {
  const exported: Exported = { spans: [], logs: [], metrics: [] };
  const failures: unknown[] = [];
  const watch = <T>(
    items: T,
    done: (result: { code: number; error?: Error }) => void,
    remember: (items: T) => void,
  ) => {
    return (result: { code: number; error?: Error }) => {
      if (result.code === 0) remember(items);
      else failures.push(result.error);
      done(result);
    };
  };
  const resource = resourceFromAttributes({
    'service.name': service,
    'host.name': 'test',
    ...EVERY_KIND_OF_VALUE,
  });
  const tracers = new TracerProvider({
    resource,
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: {
          export: (spans, done) =>
            exporters.spans.export(
              spans,
              watch(spans, done, all => exported.spans.push(...all)),
            ),
          shutdown: () => exporters.spans.shutdown(),
        },
      }),
    ],
  });
  const loggers = new LoggerProvider({
    resource,
    processors: [
      new BatchLogRecordProcessor({
        exporter: {
          export: (logs, done) =>
            exporters.logs.export(
              logs,
              watch(logs, done, all => exported.logs.push(...all)),
            ),
          forceFlush: () => exporters.logs.forceFlush(),
          shutdown: () => exporters.logs.shutdown(),
        },
      }),
    ],
  });
  const meters = new MeterProvider({
    resource,
    readers: [
      new PeriodicExportingMetricReader({
        exportIntervalMillis: 3_600_000,
        exporter: {
          export: (metrics, done) =>
            exporters.metrics.export(
              metrics,
              watch(metrics, done, all => exported.metrics.push(all)),
            ),
          forceFlush: () => exporters.metrics.forceFlush(),
          shutdown: () => exporters.metrics.shutdown(),
        },
      }),
    ],
  });

  const tracer = tracers.getTracer('otelfan-test', '1.2.3');
  const logger = loggers.getLogger('otelfan-test-logs', '4.5');
  const meter = meters.getMeter('otelfan-test-metrics');
  const requests = meter.createCounter('requests', { unit: '1', description: 'requests seen' });
  const balance = meter.createUpDownCounter('balance');
  const temperature = meter.createGauge(`temperature.${service}`, { unit: 'Cel' });
  const latency = meter.createHistogram('latency', { unit: 'ms' });

  let previous: Context | undefined;
  for (let i = 0; i < traces; i++) {
    const link = previous === undefined ? undefined : trace.getSpanContext(previous);
    const root = tracer.startSpan(
      'GET /checkout',
      {
        kind: SpanKind.SERVER,
        attributes: { ...EVERY_KIND_OF_VALUE, i },
        ...(link !== undefined && {
          links: [{ context: link, attributes: { why: 'follows', list: [1, 2] } }],
        }),
      },
      context.active(),
    );
    const inRoot = trace.setSpan(context.active(), root);
    const child = tracer.startSpan('charge card', { kind: SpanKind.CLIENT }, inRoot);
    child.addEvent('retrying', { attempt: 1, fast: true, ratio: 0.5, text: 'x', list: ['a'] });
    child.recordException(new Error(`card ${i} declined`));
    child.setStatus({ code: SpanStatusCode.ERROR, message: `declined ${i}` });
    child.end();
    const chat = tracer.startSpan(
      'chat gpt',
      {
        attributes: {
          'gen_ai.system': 'openai',
          'gen_ai.request.model': 'gpt-5',
          'gen_ai.usage.input_tokens': 12,
          'gen_ai.usage.output_tokens': 34,
          'gen_ai.prompt': 'say something',
          'gen_ai.completion': 'something',
        },
      },
      inRoot,
    );
    chat.setStatus({ code: SpanStatusCode.OK });
    chat.end();
    root.end();
    logger.emit({
      severityNumber: 17,
      severityText: 'ERROR',
      body: `card ${i} declined`,
      attributes: { i, list: ['x', 1] },
      context: inRoot,
    });
    logger.emit({
      severityNumber: 9,
      body: { structured: true, n: i, nested: { deep: [1, 'two'] } },
      eventName: 'audit',
    });
    requests.add(1, { route: `/r${i % 3}`, weird: true });
    balance.add(i % 2 === 0 ? -1.25 : 1, { list: ['a', 'b'] });
    temperature.record(20.5 + i, { room: `r${i % 2}` });
    latency.record(i * 7.25, { route: '/checkout' });
    previous = inRoot;
  }
  await Promise.all([tracers.shutdown(), loggers.shutdown(), meters.shutdown()]);
  if (failures.length > 0)
    throw new AggregateError(failures, `${failures.length} exports failed: ${String(failures[0])}`);
  return exported;
}
