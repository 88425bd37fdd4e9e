import { OTLPLogExporter as LogsGrpc } from '@opentelemetry/exporter-logs-otlp-grpc';
import { OTLPLogExporter as LogsJson } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as LogsProto } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter as MetricsGrpc } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPMetricExporter as MetricsJson } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as MetricsProto } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as TracesGrpc } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as TracesJson } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as TracesProto } from '@opentelemetry/exporter-trace-otlp-proto';
import type { System } from './systems.ts';
import type { Exporters } from './telemetry.ts';

export const SDK_TRANSPORTS = ['proto', 'http', 'grpc'] as const;

/** The SDK's own exporters for each of its transports; gzip wherever the SDK offers it. */
export const EXPORTERS: Readonly<
  Record<(typeof SDK_TRANSPORTS)[number], (doors: Pick<System, 'http' | 'grpc'>) => Exporters>
> = {
  proto: ({ http }) => ({
    spans: new TracesProto({ url: `${http}/v1/traces` }),
    logs: new LogsProto({ url: `${http}/v1/logs`, compression: 'gzip' as never }),
    metrics: new MetricsProto({ url: `${http}/v1/metrics` }),
  }),
  http: ({ http }) => ({
    spans: new TracesJson({ url: `${http}/v1/traces`, compression: 'gzip' as never }),
    logs: new LogsJson({ url: `${http}/v1/logs` }),
    metrics: new MetricsJson({ url: `${http}/v1/metrics` }),
  }),
  grpc: ({ grpc }) => ({
    spans: new TracesGrpc({ url: grpc.replace('grpc:', 'http:') }),
    logs: new LogsGrpc({ url: grpc.replace('grpc:', 'http:'), compression: 'gzip' as never }),
    metrics: new MetricsGrpc({ url: grpc.replace('grpc:', 'http:') }),
  }),
};
