import type { OtlpTypes } from '../../shared/otlp/messages.ts';
import type { Signal } from '../../shared/otlp/signal.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import type { LogRecord, MetricRecord, Records } from '../store/tables.ts';
import { decodeLogs } from './logs.ts';
import { decodeMetrics } from './metrics.ts';
import type { LogsData, MetricsData, TracesData } from './otlp.ts';
import { createSink, type Rejections } from './sink.ts';
import { decodeSpans } from './spans.ts';

type Decoded =
  | { readonly kind: 'records'; readonly records: Records; readonly rejections: Rejections }
  | { readonly kind: 'malformed'; readonly reason: string };

/** OTLP protobuf to stored records (read API contract §2, without what its D14 and D15 lose). */
export type Decode = (signal: Signal, body: Buffer) => Decoded;

export function createDecoder({ types, hash }: { types: OtlpTypes; hash: Hash }): Decode {
  const tieOf = (record: Omit<LogRecord, 'tie'> | Omit<MetricRecord, 'tie'>) =>
    hash.hash64(Buffer.from(JSON.stringify(record, bigIntText)));
  return (signal, body) => {
    let data: unknown;
    try {
      data = types.request(signal).decode(body);
    } catch (error) {
      return { kind: 'malformed', reason: error instanceof Error ? error.message : String(error) };
    }
    const sink = createSink();
    switch (signal) {
      case 'traces':
        decodeSpans(data as TracesData, sink, hash);
        break;
      case 'logs':
        decodeLogs(data as LogsData, sink, tieOf);
        break;
      case 'metrics':
        decodeMetrics(data as MetricsData, sink, tieOf);
        break;
    }
    return { kind: 'records', records: sink.records, rejections: sink.rejections() };
  };
}

function bigIntText(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
