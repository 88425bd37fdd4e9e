import type { OtlpTypes } from '../../shared/otlp/messages.ts';
import type { Signal } from '../../shared/otlp/signal.ts';
import { EVAL_SCORE } from '../../shared/read/evals.ts';
import type { ShardWrite } from '../../shared/read/writes.ts';

/*
 * Eval scores and runner spans as the OTLP requests that would have stored them (contract §1.5). What they become is
 * then decided in one place, the decoder.
 */

/** OTLP protobuf and what it is. */
interface Export {
  readonly signal: Signal;
  readonly body: Buffer;
}

export function scoreExport(types: OtlpTypes, write: ShardWrite<'score'>): Export {
  const point = {
    timeUnixNano: write.timeNs,
    asDouble: write.value,
    attributes: keyValues(write.attributes),
  };
  const metric = { name: EVAL_SCORE, unit: 'score', gauge: { dataPoints: [point] } };
  return encode(types, 'metrics', {
    resourceMetrics: [{ resource: service('tael-eval'), scopeMetrics: [{ metrics: [metric] }] }],
  });
}

export function runnerSpanExport(types: OtlpTypes, write: ShardWrite<'runnerSpan'>): Export {
  const span = {
    traceId: Buffer.from(write.traceId, 'hex'),
    spanId: Buffer.from(write.spanId, 'hex'),
    name: 'tael eval case',
    kind: INTERNAL_KIND,
    startTimeUnixNano: write.startNs,
    endTimeUnixNano: write.endNs,
    attributes: keyValues(write.attributes),
    ...(write.status !== 'unset' && { status: { code: STATUS_CODES[write.status] } }),
  };
  return encode(types, 'traces', {
    resourceSpans: [{ resource: service('tael-eval-runner'), scopeSpans: [{ spans: [span] }] }],
  });
}

/** `Span.SpanKind` and `Status.StatusCode` of OTLP. */
const INTERNAL_KIND = 1;
const STATUS_CODES = { ok: 1, error: 2 } as const;

function service(name: string) {
  return { attributes: keyValues({ 'service.name': name }) };
}

function keyValues(attributes: Readonly<Record<string, string>>) {
  return Object.entries(attributes).map(([key, stringValue]) => ({ key, value: { stringValue } }));
}

function encode(types: OtlpTypes, signal: Signal, request: object): Export {
  const type = types.request(signal);
  return { signal, body: Buffer.from(type.encode(type.fromObject(request)).finish()) };
}
