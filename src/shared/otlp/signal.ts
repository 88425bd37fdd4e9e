/** The three stable OTLP signals. Profiles are in development and not enabled. */
export type Signal = 'traces' | 'logs' | 'metrics';

export const SIGNALS: readonly Signal[] = ['traces', 'logs', 'metrics'];

interface SignalFacts {
  /** Path of the OTLP/HTTP endpoint (OTLP specification, "OTLP/HTTP Request"). */
  readonly path: string;
  /** Fully qualified gRPC service; its one method is `Export`. */
  readonly grpcService: string;
  /** Member of `Export*PartialSuccess` that counts what was refused, as OTLP/JSON spells it. */
  readonly rejectedField: 'rejectedSpans' | 'rejectedLogRecords' | 'rejectedDataPoints';
  /** What one leaf of the request is called in messages and metrics. */
  readonly recordNoun: 'span' | 'log record' | 'metric point';
}

export const SIGNAL_FACTS: Readonly<Record<Signal, SignalFacts>> = {
  traces: {
    path: '/v1/traces',
    grpcService: 'opentelemetry.proto.collector.trace.v1.TraceService',
    rejectedField: 'rejectedSpans',
    recordNoun: 'span',
  },
  logs: {
    path: '/v1/logs',
    grpcService: 'opentelemetry.proto.collector.logs.v1.LogsService',
    rejectedField: 'rejectedLogRecords',
    recordNoun: 'log record',
  },
  metrics: {
    path: '/v1/metrics',
    grpcService: 'opentelemetry.proto.collector.metrics.v1.MetricsService',
    rejectedField: 'rejectedDataPoints',
    recordNoun: 'metric point',
  },
};
