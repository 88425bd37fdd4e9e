import type { OtlpTypes } from '../../shared/otlp/messages.ts';
import type { Signal } from '../../shared/otlp/signal.ts';
import { addWords } from '../../shared/text/words.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import { Arena } from '../store/arena.ts';
import type { Records } from '../store/tables.ts';
import { type RecordVisitor, visitRecords } from './envelope.ts';
import { decodeLog } from './logs.ts';
import { decodeMetric } from './metrics.ts';
import type { Metric, OtlpLogRecord, Span } from './otlp.ts';
import { PlainLogReader } from './plain-log.ts';
import { PlainSpanReader } from './plain-span.ts';
import { pointTies } from './point-ties.ts';
import { createSink, type Rejections, type Sink } from './sink.ts';
import { decodeSpan } from './spans.ts';
import { createSurroundingsCache } from './surroundings.ts';

export type Decoded =
  | { readonly kind: 'records'; readonly records: Records; readonly rejections: Rejections }
  | { readonly kind: 'malformed'; readonly reason: string };

/** OTLP protobuf to stored records (read API contract §2, without what its D14 and D15 lose). */
export type Decode = (signal: Signal, body: Buffer) => Decoded;

/** The same in steps of a few records each. Steps of several requests may take turns. */
export type DecodeInSteps = (signal: Signal, body: Buffer) => Generator<undefined, Decoded, undefined>;

export function createDecoder({ types, hash }: { types: OtlpTypes; hash: Hash }): DecodeInSteps {
  const surroundings = createSurroundingsCache({ types, hash });
  const visitors = createVisitors({ types, hash });
  return function* (signal, body) {
    const sink = createSink(signal === 'traces' ? body.length : 0);
    try {
      yield* visitRecords(body, surroundings, visitors[signal](body, sink));
    } catch (error) {
      return { kind: 'malformed', reason: error instanceof Error ? error.message : String(error) };
    }
    return { kind: 'records', records: sink.records, rejections: sink.rejections() };
  };
}

/** For what is small. */
export function atOnce(decode: DecodeInSteps): Decode {
  return (signal, body) => {
    const steps = decode(signal, body);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  };
}

/** The attributes of one log record, usually. */
const LOG_TEXT_BYTES = 16 * 1024;

type Visitors = { readonly [S in Signal]: (request: Buffer, sink: Sink) => RecordVisitor };

function createVisitors({ types, hash }: { types: OtlpTypes; hash: Hash }): Visitors {
  const message = <Message>(type: string, bytes: Buffer) =>
    types.message(type).decode(bytes) as unknown as Message;
  return {
    traces(request, sink) {
      const plain = new PlainSpanReader(request, { spans: sink.records.spans, types, hash });
      return (start, end, surroundings) => {
        if (plain.read(start, end, surroundings)) return;
        decodeSpan(message<Span>('Span', request.subarray(start, end)), surroundings, { sink, hash });
      };
    },
    logs(request, sink) {
      const plain = new PlainLogReader(request, new Arena(LOG_TEXT_BYTES));
      return (start, end, surroundings) => {
        const bytes = request.subarray(start, end);
        const tie = hash.hash64(bytes, surroundings.hash);
        const record = plain.read(start, end, surroundings);
        if (record !== undefined) {
          sink.records.logs.push({ ...record, tie });
          addWords(sink.records.logWords, record.body);
          return;
        }
        decodeLog(message<OtlpLogRecord>('LogRecord', bytes), { surroundings, tie, sink });
      };
    },
    metrics(request, sink) {
      return (start, end, surroundings) => {
        const bytes = request.subarray(start, end);
        const ties = pointTies(bytes, surroundings.hash, hash);
        decodeMetric(message<Metric>('Metric', bytes), { surroundings, ties, sink });
      };
    },
  };
}
