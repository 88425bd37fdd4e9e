import { SEVERITIES, type Severity } from '../../shared/read/contract.ts';
import { milliseconds, ratio, sorted } from '../merge/figures.ts';
import { spanTotals, statesOf } from '../merge/states.ts';
import { anyText, parseParams, startOf, windowNanos } from '../params.ts';
import { defaultWindow } from '../window-limit.ts';
import { allGroups, someGroups, type TooMany, topGroups } from './groups.ts';
import { percentiles, servicePercentiles } from './percentiles.ts';
import { type Combined, membersOf, type Read, type ShardQuery } from './read.ts';
import { repeatedTraces } from './repeated-traces.ts';
import { ask, type Rounds, runRounds, together } from './rounds.ts';
import { DEFAULT_WINDOW_NS, secondsOf, type Window } from './window.ts';

/** Length of both top lists. */
const MOST = 10;

/**
 * `GET /api/v1/summary`: what happened in a window, to all services or to one (read API contract §1.4, and §3.7, of
 * whose two rule sets the native one).
 */
export const summaryRead: Read = {
  name: 'summary',
  path: '/api/v1/summary',
  windows: ['last'],

  plan({ search }, { nowNs, maxGroups, maxWindowMs }) {
    const parsed = parseParams(search, { last: windowNanos, service: anyText });
    if (parsed.kind === 'bad') return parsed;
    const { last = defaultWindow(DEFAULT_WINDOW_NS, maxWindowMs), service } = parsed.values;
    const window = { fromNs: startOf(last, nowNs), service };
    const head = { window_seconds: secondsOf(last), service_filter: service ?? null };
    return {
      kind: 'states',
      answer: shards => runRounds(shards, answerSummary({ window, head, maxGroups })),
      fieldsOf,
    };
  },
};

function fieldsOf({ name, request }: ShardQuery): readonly string[] {
  if (name === 'spanTotals') return TOTALS;
  if (name === 'traceIds') return ['traces.trace_count'];
  if (name === 'durationBuckets') return request.byService ? ['top_services'] : PERCENTILES;
  if (name === 'durationValues')
    return request.ranges.flatMap(({ service }) => (service === undefined ? PERCENTILES : ['top_services']));
  if (name !== 'groupCounts') return [];
  if (request.of !== 'spans') return [request.of];
  return request.by.includes('operation') ? ['top_error_operations'] : ['top_services'];
}

const TOTALS = [
  'traces.span_count',
  'traces.trace_count',
  'traces.error_count',
  'traces.error_rate',
  'traces.avg_ms',
  'traces.max_ms',
];
const PERCENTILES = ['traces.p50_ms', 'traces.p95_ms', 'traces.p99_ms'];

interface SummaryOptions {
  readonly window: Window;
  /** Members of the answer that say what it is about. */
  readonly head: Readonly<Record<string, unknown>>;
  readonly maxGroups: number;
}

function* answerSummary({ window, head, maxGroups }: SummaryOptions): Rounds<Combined> {
  const [traces, services, operations, logs, metrics] = yield* together(
    summarizeTraces(window),
    topServices(window, maxGroups),
    topErrorOperations(window, maxGroups),
    summarizeLogs(window),
    summarizeMetrics(window, maxGroups),
  );
  if (services.kind === 'refused') return services;
  if (operations.kind === 'refused') return operations;
  if (metrics.kind === 'refused') return metrics;
  const summary = {
    ...head,
    traces,
    top_services: services.value,
    top_error_operations: operations.value,
    logs,
    metrics: metrics.value,
  };
  return { kind: 'found', members: membersOf(summary) };
}

type Section<T> = { readonly kind: 'section'; readonly value: T } | TooMany;

function* summarizeTraces(window: Window) {
  const [parts, repeats, [p50, p95, p99]] = yield* together(
    ask('spanTotals', window),
    repeatedTraces({ ...window, byService: false }),
    percentiles(window, [0.5, 0.95, 0.99]),
  );
  const totals = statesOf(parts, spanTotals);
  const spans = sum(totals.map(({ span_count }) => span_count));
  const errors = sum(totals.map(({ error_count }) => error_count));
  const durationNs = totals.reduce((total, { duration_sum_ns }) => total + BigInt(duration_sum_ns), 0n);
  const greatestNs = totals.flatMap(({ duration_max_ns }) =>
    duration_max_ns === undefined ? [] : BigInt(duration_max_ns),
  );
  return {
    span_count: spans,
    trace_count: sum(totals.map(({ trace_count }) => trace_count)) - (repeats.get('') ?? 0),
    error_count: errors,
    error_rate: ratio(errors, spans),
    avg_ms: ratio(milliseconds(durationNs), spans),
    max_ms: milliseconds(sorted(greatestNs).at(-1) ?? 0n),
    p50_ms: milliseconds(p50 ?? 0n),
    p95_ms: milliseconds(p95 ?? 0n),
    p99_ms: milliseconds(p99 ?? 0n),
  };
}

interface TopService {
  readonly service: string;
  readonly span_count: number;
  readonly error_rate: number;
  readonly p95_ms: number;
}

/** Ranked first; only those that are shown are asked about further. */
function* topServices(window: Window, maxGroups: number): Rounds<Section<TopService[]>> {
  const byService = { ...window, of: 'spans' as const, by: ['service' as const] };
  const top = yield* topGroups(byService, { most: MOST, maxGroups, what: 'services' });
  if (top.kind === 'refused') return top;
  const names = top.groups.map(({ names: [service = ''] }) => service);
  const [failures, p95s] = yield* together(
    someGroups(
      { ...byService, status: 'error' },
      names.map(name => [name]),
    ),
    servicePercentiles(window, names, 0.95),
  );
  const errors = new Map(failures.map(({ names: [service = ''], count }) => [service, count]));
  const value = top.groups.map(({ names: [service = ''], count }) => ({
    service,
    span_count: count,
    error_rate: ratio(errors.get(service) ?? 0, count),
    p95_ms: milliseconds(p95s.get(service) ?? 0n),
  }));
  return { kind: 'section', value };
}

interface ErrorOperation {
  readonly service: string;
  readonly operation: string;
  readonly error_count: number;
}

function* topErrorOperations(window: Window, maxGroups: number): Rounds<Section<ErrorOperation[]>> {
  const top = yield* topGroups(
    { ...window, of: 'spans', by: ['service', 'operation'], status: 'error' },
    { most: MOST, maxGroups, what: 'operations with errors' },
  );
  if (top.kind === 'refused') return top;
  const value = top.groups.map(({ names: [service = '', operation = ''], count }) => ({
    service,
    operation,
    error_count: count,
  }));
  return { kind: 'section', value };
}

function* summarizeLogs(window: Window) {
  const severities = SEVERITIES.map(severity => [severity]);
  const groups = yield* someGroups({ ...window, of: 'logs', by: ['severity'] }, severities);
  const counts = new Map(groups.map(({ names: [severity = ''], count }) => [severity, count]));
  const of = (severity: Severity) => counts.get(severity) ?? 0;
  return {
    total: sum([...counts.values()]),
    error: of('error') + of('fatal'),
    warn: of('warn'),
    info: of('info'),
    debug: of('debug'),
  };
}

interface MetricsSummary {
  readonly point_count: number;
  readonly unique_names: number;
}

function* summarizeMetrics(window: Window, maxGroups: number): Rounds<Section<MetricsSummary>> {
  const names = yield* allGroups(
    { ...window, of: 'metrics', by: ['name'] },
    { maxGroups, what: 'metric names' },
  );
  if (names.kind === 'refused') return names;
  const { groups } = names;
  const value = { point_count: sum(groups.map(({ count }) => count)), unique_names: groups.length };
  return { kind: 'section', value };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
