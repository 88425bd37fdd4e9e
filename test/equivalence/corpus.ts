import type { Signal } from '../../src/shared/otlp/signal.ts';
import { formatNanosWithOffset } from '../../src/shared/time.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { createDice, type Dice } from './dice.ts';
import {
  ATTRIBUTES,
  CASES,
  LABELS,
  METRICS,
  OPERATIONS,
  RUNS,
  SCORES,
  SERVICES,
  someTimeNs,
  someWords,
} from './vocabulary.ts';

/** What was sent, in the order it was sent. */
export interface Corpus {
  readonly exports: readonly { readonly signal: Signal; readonly json: Json }[];
  readonly comments: readonly Comment[];
  /** Bodies for `POST /api/v1/evals/runner-spans`. */
  readonly runnerSpans: readonly Json[];
  readonly traceIds: readonly string[];
}

export interface Comment {
  readonly id: string;
  readonly traceId: string;
  readonly author: string;
  readonly body: string;
  readonly createdNs: string;
}

export interface CorpusOptions {
  readonly seed: number;
  /** Exports of each signal. */
  readonly exports: number;
  /** Whether some spans are exported again, changed: the last one counts, as long as one shard gets both. */
  readonly repeats: boolean;
}

const RECORDS_PER_EXPORT = 25;

/** Realistic where it matters for merging: skewed services, ties, traces over several services and exports. */
export function createCorpus({ seed, exports, repeats }: CorpusOptions): Corpus {
  const dice = createDice(seed);
  const traceIds = Array.from({ length: exports * 6 }, () => dice.hex(32));
  const spans: Sent[] = [];
  const each = (make: () => Json) => Array.from({ length: exports }, make);
  return {
    traceIds,
    exports: [
      ...each(() => spansExport(dice, { traceIds, sent: repeats ? spans : [] })).map(json => ({
        signal: 'traces' as const,
        json,
      })),
      ...each(() => logsExport(dice, traceIds)).map(json => ({ signal: 'logs' as const, json })),
      ...each(() => metricsExport(dice, traceIds)).map(json => ({ signal: 'metrics' as const, json })),
    ],
    comments: Array.from({ length: exports * 2 }, (_, index) => ({
      id: `comment-${seed}-${index}`,
      traceId: dice.pick(traceIds),
      author: dice.pick(['cli', 'tael:issue', 'anonymous']),
      body: someWords(dice, 5),
      createdNs: someTimeNs(dice).toString(),
    })),
    runnerSpans: postedAgain(Array.from({ length: exports }, () => runnerSpan(dice, traceIds))),
  };
}

function runnerSpan(dice: Dice, traceIds: readonly string[]): Json {
  return {
    suite_id: 'suite',
    run_id: dice.pick(RUNS),
    case_id: dice.pick(CASES),
    trace_id: dice.pick(traceIds),
    span_id: dice.hex(16),
    start_time: formatNanosWithOffset(someTimeNs(dice)),
    duration_ms: dice.below(5000),
  };
}

/** All of them, and some once more at their end, as a runner does when a case has ended. */
function postedAgain(spans: readonly Json[]): Json[] {
  return [...spans, ...spans.filter((_, index) => index % 2 === 0).map(span => ended(span, 'ok'))];
}

/** What replaces a runner span that was posted before. */
export function ended(span: Json, status: 'ok' | 'error'): Json {
  return { ...span, status, duration_ms: Number(span.duration_ms) + 1.5 };
}

interface Sent {
  readonly traceId: string;
  readonly spanId: string;
}

function attributes(dice: Dice): Json[] {
  return ATTRIBUTES.filter(() => dice.chance(0.5)).map(([key, values]) => ({
    key,
    value: anyValue(dice.pick(values)),
  }));
}

function anyValue(value: unknown): Json {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') {
    return Number.isInteger(value) && Math.abs(value) < 1e15 && !Object.is(value, -0)
      ? { intValue: String(value) }
      : { doubleValue: value };
  }
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  return {
    kvlistValue: {
      values: Object.entries(value as object).map(([key, each]) => ({ key, value: anyValue(each) })),
    },
  };
}

function resource(service: string): Json {
  return { resource: { attributes: [{ key: 'service.name', value: { stringValue: service } }] } };
}

/** Records in groups of a service each. */
function groups(dice: Dice, record: (service: string) => Json): (readonly [string, Json[]])[] {
  return Array.from({ length: 1 + dice.below(3) }, () => {
    const service = dice.pickEarly(SERVICES);
    const records = Array.from({ length: 1 + dice.below(RECORDS_PER_EXPORT) }, () => record(service));
    return [service, records] as const;
  });
}

function spansExport(
  dice: Dice,
  { traceIds, sent }: { readonly traceIds: readonly string[]; readonly sent: Sent[] },
): Json {
  const span = (): Json => {
    const again = sent.length > 0 && dice.chance(0.03) ? dice.pick(sent) : undefined;
    const id = again ?? { traceId: dice.pickEarly(traceIds), spanId: dice.hex(16) };
    sent.push(id);
    const startNs = someTimeNs(dice);
    return {
      ...id,
      ...(dice.chance(0.6) && { parentSpanId: dice.hex(16) }),
      name: dice.pickEarly(OPERATIONS),
      kind: dice.below(6),
      startTimeUnixNano: startNs.toString(),
      endTimeUnixNano: (startNs + durationNs(dice)).toString(),
      attributes: [...attributes(dice), ...genAi(dice), ...evalCase(dice)],
      status: { code: dice.pick([0, 0, 1, 2]), ...(dice.chance(0.1) && { message: 'failed' }) },
      ...(dice.chance(0.2) && { traceState: 'a=1', flags: 257 }),
      ...(dice.chance(0.2) && {
        events: [{ name: 'exception', timeUnixNano: startNs.toString(), attributes: attributes(dice) }],
        links: [{ traceId: dice.pick(traceIds), spanId: dice.hex(16), attributes: attributes(dice) }],
      }),
    };
  };
  return {
    resourceSpans: groups(dice, span).map(([service, spans]) => ({
      ...resource(service),
      scopeSpans: [{ scope: { name: 'shop', version: '1.2' }, spans }],
    })),
  };
}

/** Log-normal as durations are, with zeroes, ties and clocks that ran backwards. */
function durationNs(dice: Dice): bigint {
  if (dice.chance(0.02)) return 0n;
  if (dice.chance(0.02)) return -BigInt(dice.below(1_000_000));
  if (dice.chance(0.2)) return 5_000_000n;
  const logs = Array.from({ length: 6 }, () => dice.below(1000) / 1000).reduce((a, b) => a + b);
  return BigInt(Math.round(1e6 * Math.exp(2.5 * (logs - 3))));
}

function genAi(dice: Dice): Json[] {
  if (dice.chance(0.9)) return [];
  return [
    { key: 'gen_ai.system', value: { stringValue: 'acme' } },
    { key: 'gen_ai.request.model', value: { stringValue: 'm-1' } },
    { key: 'gen_ai.usage.input_tokens', value: { intValue: String(dice.below(1000)) } },
    { key: 'gen_ai.prompt', value: { stringValue: someWords(dice, 8) } },
    { key: 'gen_ai.completion', value: { stringValue: someWords(dice, 8) } },
  ];
}

function evalCase(dice: Dice): Json[] {
  if (dice.chance(0.9)) return [];
  return [
    { key: 'tael.eval.suite_id', value: { stringValue: 'suite' } },
    { key: 'tael.eval.run_id', value: { stringValue: dice.pick(RUNS) } },
    { key: 'tael.eval.case_id', value: { stringValue: dice.pick(CASES) } },
    { key: 'tael.eval.case_count', value: { intValue: '4' } },
  ];
}

const LARGE_BODY_CHARS = 9000;

function logsExport(dice: Dice, traceIds: readonly string[]): Json {
  const record = (): Json => ({
    ...(dice.chance(0.9) && { timeUnixNano: someTimeNs(dice).toString() }),
    observedTimeUnixNano: someTimeNs(dice).toString(),
    severityNumber: dice.below(26),
    ...(dice.chance(0.5) && { severityText: dice.pick(['WARN', 'notice']) }),
    body: dice.chance(0.9) ? { stringValue: logBody(dice) } : anyValue({ order: dice.below(10) }),
    attributes: attributes(dice),
    ...(dice.chance(0.6) && { traceId: dice.pickEarly(traceIds) }),
    ...(dice.chance(0.3) && { spanId: dice.hex(16) }),
  });
  return {
    resourceLogs: groups(dice, record).map(([service, logRecords]) => ({
      ...resource(service),
      scopeLogs: [{ scope: { name: 'shop' }, logRecords }],
    })),
  };
}

function logBody(dice: Dice): string {
  const body = someWords(dice, 1 + dice.below(5));
  return dice.chance(0.03) ? `${body} ${'x'.repeat(LARGE_BODY_CHARS)}` : body;
}

function metricsExport(dice: Dice, traceIds: readonly string[]): Json {
  const metric = (): Json => {
    const name = dice.pickEarly(METRICS);
    const time = () => ({ timeUnixNano: someTimeNs(dice).toString(), attributes: attributes(dice) });
    if (name === 'tael_eval_score')
      return { name, unit: 'score', gauge: { dataPoints: [score(dice, traceIds)] } };
    const count = 1 + dice.below(5);
    const number = () => ({ ...time(), ...value(dice) });
    const dataPoints = (make: () => Json) => Array.from({ length: count }, make);
    switch (dice.below(4)) {
      case 0:
        return { name, unit: '1', gauge: { dataPoints: dataPoints(number) } };
      case 1:
        return {
          name,
          sum: { dataPoints: dataPoints(number), isMonotonic: true, aggregationTemporality: 2 },
        };
      case 2:
        return {
          name,
          histogram: {
            aggregationTemporality: 2,
            dataPoints: dataPoints(() => ({
              ...time(),
              count: '3',
              sum: dice.below(1000) / 8,
              bucketCounts: ['1', '2'],
              explicitBounds: [10],
            })),
          },
        };
      default:
        return {
          name,
          summary: {
            dataPoints: dataPoints(() => ({
              ...time(),
              count: '2',
              sum: dice.below(1000) / 3,
              quantileValues: [{ quantile: 0.5, value: 1.5 }],
            })),
          },
        };
    }
  };
  return {
    resourceMetrics: groups(dice, metric).map(([service, metrics]) => ({
      ...resource(service),
      scopeMetrics: [{ scope: { name: 'shop' }, metrics }],
    })),
  };
}

function value(dice: Dice): Json {
  if (dice.chance(0.03)) return { asDouble: dice.pick(['NaN', 'Infinity', '-Infinity']) };
  return dice.chance(0.5) ? { asInt: String(dice.below(100)) } : { asDouble: dice.below(100_000) / 7 };
}

function score(dice: Dice, traceIds: readonly string[]): Json {
  const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
  return {
    timeUnixNano: someTimeNs(dice).toString(),
    asDouble: dice.below(100) / 33,
    attributes: [
      text('run_id', dice.pick(RUNS)),
      text('case_id', dice.pick(CASES)),
      text('metric', dice.pick(SCORES)),
      ...(dice.chance(0.5) ? [text('label', dice.pick(LABELS))] : []),
      ...(dice.chance(0.5) ? [text('trace_id', dice.pick(traceIds))] : []),
    ],
  };
}
