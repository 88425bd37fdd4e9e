import type { BufferPool } from '../../shared/buffer-pool.ts';
import type { OtlpTypes } from '../../shared/otlp/messages.ts';
import type { Signal } from '../../shared/otlp/signal.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import type { Records } from '../store/tables.ts';
import { type RecordVisitor, visitRecords } from './envelope.ts';
import { decodeLog } from './logs.ts';
import { addPoints } from './metric-points.ts';
import { decodeMetric } from './metrics.ts';
import type { Metric, OtlpLogRecord, Span } from './otlp.ts';
import { PlainLogReader } from './plain-log.ts';
import { PlainMetricReader } from './plain-metric.ts';
import { PlainSpanReader } from './plain-span.ts';
import { pointTies } from './point-ties.ts';
import { createSink, type Rejections, releaseRecords, type Sink } from './sink.ts';
import { decodeSpan } from './spans.ts';
import { finish, type Steps } from './steps.ts';
import { createSurroundingsCache } from './surroundings.ts';

type Decoded =
  | {
      readonly kind: 'records';
      /** Nothing of them is in the body. */
      readonly records: Records;
      readonly rejections: Rejections;
      /** Gives the memory of the records back; nobody may look at them from then on. */
      release(): void;
    }
  | { readonly kind: 'malformed'; readonly reason: string };

/** OTLP protobuf to stored records (read API contract §2, without what its D14 and D15 lose). */
export type Decode = (signal: Signal, body: Buffer) => Decoded;

/** The same in steps of a few records each. Steps of several requests may take turns. */
export type DecodeInSteps = (signal: Signal, body: Buffer) => Steps<Decoded>;

export interface DecoderDeps {
  readonly types: OtlpTypes;
  readonly hash: Hash;
  /** Where the memory of records comes from and goes to. */
  readonly buffers: BufferPool;
}

export function createDecoder(deps: DecoderDeps): DecodeInSteps {
  const { buffers } = deps;
  const surroundings = createSurroundingsCache(deps);
  const visitors = createVisitors(deps);
  return function* (signal, body) {
    const sink = createSink({ sizeBytes: body.length, buffers });
    const { records } = sink;
    const release = () => releaseRecords(records);
    try {
      yield* visitRecords(body, surroundings, visitors[signal](body, sink));
    } catch (error) {
      release();
      return { kind: 'malformed', reason: error instanceof Error ? error.message : String(error) };
    }
    return { kind: 'records', records, rejections: sink.rejections(), release };
  };
}

/** For what is small. */
export function atOnce(decode: DecodeInSteps): Decode {
  return (signal, body) => finish(decode(signal, body));
}

type Visitors = { readonly [S in Signal]: (request: Buffer, sink: Sink) => RecordVisitor };

function createVisitors({ types, hash }: Pick<DecoderDeps, 'types' | 'hash'>): Visitors {
  const message = <Message>(type: string, bytes: Buffer) =>
    types.message(type).decode(bytes) as unknown as Message;
  return {
    traces(request, sink) {
      const plain = new PlainSpanReader(request, { spans: sink.records.spans, types, hash });
      return (start, end, surroundings) => {
        if (plain.read(start, end, surroundings)) return undefined;
        decodeSpan(message<Span>('Span', request.subarray(start, end)), surroundings, { sink, hash });
        return undefined;
      };
    },
    logs(request, sink) {
      const plain = new PlainLogReader(request, { records: sink.records, types });
      return (start, end, surroundings) => {
        const bytes = request.subarray(start, end);
        const tie = hash.hash64(bytes, surroundings.hash);
        if (plain.read(start, end, surroundings, tie)) return undefined;
        decodeLog(message<OtlpLogRecord>('LogRecord', bytes), { surroundings, tie, sink });
        return undefined;
      };
    },
    metrics(request, sink) {
      const plain = new PlainMetricReader(request, { metrics: sink.records.metrics, types });
      return (start, end, surroundings) => {
        const bytes = request.subarray(start, end);
        const ties = pointTies(bytes, surroundings.hash, hash);
        const otherwise = () => decodeMetric(message<Metric>('Metric', bytes), { surroundings, ties, sink });
        return addPoints(plain.read(start, end, surroundings, ties) ?? otherwise(), otherwise);
      };
    },
  };
}
