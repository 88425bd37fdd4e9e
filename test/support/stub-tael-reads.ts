import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Signal } from '../../src/shared/otlp/signal.ts';
import { parseTimeNanos } from '../../src/shared/time.ts';
import type { ShardSpec } from '../../src/shared/topology/topology.ts';
import type { Json } from './otlp-arbitraries.ts';
import { shardSpec } from './stub-shard.ts';
import {
  type ListedLog,
  type ListedMetric,
  type ListedSpan,
  listedLogs,
  listedMetrics,
  listedSpans,
} from './tael-rows.ts';

/** Rows as a tael-server lists them, whatever else is in them. */
interface Listed {
  readonly traces: ListedSpan[];
  readonly logs: ListedLog[];
  readonly metrics: ListedMetric[];
  readonly comments: { readonly trace_id: string; readonly created_at: string }[];
}

export interface StubTaelReads extends Listed {
  readonly spec: ShardSpec;
  /** Paths with their parameters, in the order they were asked for. */
  readonly asked: string[];
  /** Stores OTLP/JSON. */
  send(signal: Signal, request: Json): Promise<Response>;
  /** The hash by which the bytes are found. */
  putBlob(text: string): string;
  /** Answers everything in this way, until it is given nothing. */
  behave(behaviour?: (response: ServerResponse) => void): void;
  stop(): Promise<void>;
}

const NANOS_PER_SECOND = 1_000_000_000n;

/**
 * The read side of a tael-server, native engine: paths, parameters, defaults, orders and errors of the read API contract
 * (§1, §3), as version 0.5.15 was seen to answer.
 * @param clock - by which it begins windows, in nanoseconds
 */
export async function startStubTaelReads(id: string, clock: () => bigint): Promise<StubTaelReads> {
  const rows: Listed = { traces: [], logs: [], metrics: [], comments: [] };
  const blobs = new Map<string, string>();
  const asked: string[] = [];
  let behaviour: ((response: ServerResponse) => void) | undefined;

  /** Those of the window, as many as the limit says. */
  function listed<T>(all: readonly T[], search: URLSearchParams, { timeOf, limit }: Listing<T>): T[] {
    const last = search.get('last');
    const fromNs = last === null ? 0n : clock() - BigInt(last) * NANOS_PER_SECOND;
    return all.filter(row => nanosOf(timeOf(row)) >= fromNs).slice(0, Number(search.get('limit') ?? limit));
  }

  function answer(path: string, search: URLSearchParams): { status?: number; body: unknown } {
    const [, traceId, comments] = /^\/api\/v1\/traces\/([^/]+)(\/comments)?$/.exec(path) ?? [];
    const [, sha256] = /^\/api\/v1\/blobs\/(\w+)$/.exec(path) ?? [];
    if (sha256 !== undefined) {
      const body = blobs.get(sha256);
      return body === undefined ? { status: 404, body: { error: 'blob not found' } } : { body };
    }
    if (comments !== undefined) {
      const of = rows.comments.filter(comment => comment.trace_id === traceId);
      return { body: { comments: of, count: of.length } };
    }
    if (traceId !== undefined) {
      const spans = rows.traces.filter(span => span.trace_id === traceId).sort(by(span => span.start_time));
      if (spans.length === 0) return { status: 404, body: { error: 'trace not found' } };
      return { body: { span_count: spans.length, spans, trace_id: traceId } };
    }
    switch (path) {
      case '/readyz':
        return { body: 'ready' };
      case '/api/v1/traces': {
        const spans = rows.traces.filter(span => matchesSpan(span, search)).sort(newestSpan);
        return { body: { spans: listed(spans, search, { timeOf: span => span.start_time, limit: 100 }) } };
      }
      case '/api/v1/logs': {
        const found = rows.logs.filter(log => matchesLog(log, search)).sort(by(log => log.timestamp, -1));
        const logs = listed(found, search, { timeOf: log => log.timestamp, limit: 100 });
        return { body: { count: logs.length, logs } };
      }
      case '/api/v1/metrics': {
        const found = rows.metrics.filter(point => matchesMetric(point, search)).sort(byNameAndTime);
        const metrics = listed(found, search, { timeOf: point => point.timestamp, limit: 500 });
        return { body: { count: metrics.length, metrics } };
      }
      case '/api/v1/comments': {
        const newest = rows.comments.toSorted((a, b) => (a.created_at < b.created_at ? 1 : -1));
        const found = newest.slice(0, Number(search.get('limit') ?? 1000));
        return { body: { comments: found, count: found.length } };
      }
      case '/api/v1/services':
        return { body: { services: servicesOf(rows.traces) } };
      case '/api/v1/summary': {
        const within = listed(rows.traces, search, { timeOf: span => span.start_time, limit: Infinity });
        const service = search.get('service');
        return {
          body: { traces: figuresOf(within.filter(span => (service ?? span.service) === span.service)) },
        };
      }
      default:
        return { status: 404, body: '' };
    }
  }

  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (behaviour !== undefined) return behaviour(response);
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://tael');
    const { status = 200, body } = answer(pathname, searchParams);
    const isText = typeof body === 'string';
    response.writeHead(status, { 'content-type': isText ? 'text/plain' : 'application/json' });
    response.end(isText ? body : JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    ...rows,
    asked,
    spec: { ...shardSpec(id, (server.address() as AddressInfo).port), kind: 'tael' },
    send(signal, request) {
      if (signal === 'traces') rows.traces.push(...listedSpans(request));
      else if (signal === 'logs') rows.logs.push(...listedLogs(request));
      else rows.metrics.push(...listedMetrics(request));
      return Promise.resolve(new Response());
    },
    putBlob(text) {
      const sha256 = createHash('sha256').update(text).digest('hex');
      blobs.set(sha256, text);
      return sha256;
    },
    behave(next) {
      behaviour = next;
    },
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Listing<T> {
  readonly timeOf: (row: T) => string;
  readonly limit: number;
}

function nanosOf(time: string): bigint {
  return parseTimeNanos(time) ?? 0n;
}

function by<T>(timeOf: (row: T) => string, direction = 1) {
  return (a: T, b: T) => direction * Number(nanosOf(timeOf(a)) - nanosOf(timeOf(b)));
}

const descending = (a: string, b: string) => (a < b ? 1 : Number(a > b) * -1);

function newestSpan(a: ListedSpan, b: ListedSpan): number {
  return (
    by<ListedSpan>(span => span.start_time, -1)(a, b) ||
    descending(a.trace_id, b.trace_id) ||
    descending(a.span_id, b.span_id)
  );
}

/** The native engine's order, of one name as of all (contract §3.5). */
function byNameAndTime(a: ListedMetric, b: ListedMetric): number {
  return descending(a.name, b.name) || by<ListedMetric>(point => point.timestamp, -1)(a, b);
}

type Filter = (search: URLSearchParams, name: string, accepts: (value: string) => boolean) => boolean;
const whenGiven: Filter = (search, name, accepts) => {
  const value = search.get(name);
  return value === null || accepts(value);
};

function matchesSpan(span: ListedSpan, search: URLSearchParams): boolean {
  return (
    whenGiven(search, 'service', service => span.service === service) &&
    whenGiven(search, 'operation', part => span.operation.includes(part)) &&
    whenGiven(search, 'status', status => span.status === status) &&
    whenGiven(search, 'min_duration_ms', ms => span.duration_ms >= Number(ms)) &&
    whenGiven(search, 'max_duration_ms', ms => span.duration_ms <= Number(ms)) &&
    whenGiven(
      search,
      'text',
      text => text !== '' && words(text).every(word => JSON.stringify(span).includes(word)),
    ) &&
    search.getAll('attribute').every(entry => matchesAttribute(span, entry))
  );
}

function words(text: string): readonly string[] {
  return text.split(' ').map(term => term.replace(/^\+/, ''));
}

/** Since 0.5.15 with operators. */
function matchesAttribute({ attributes }: ListedSpan, entry: string): boolean {
  const [, key = '', operator, value = ''] = /^(.*?)(~=|=~|=)(.*)$/s.exec(entry) ?? [];
  const text = attributes[key];
  if (operator === '~=') return text?.includes(value) ?? false;
  if (operator === '=~') return text !== undefined && new RegExp(value).test(text);
  return text === value;
}

function matchesLog(log: ListedLog, search: URLSearchParams): boolean {
  return (
    whenGiven(search, 'service', service => log.service === service) &&
    whenGiven(search, 'severity', severity => log.severity === severity) &&
    whenGiven(search, 'body_contains', part => log.body.includes(part)) &&
    whenGiven(search, 'trace_id', traceId => log.trace_id === traceId)
  );
}

function matchesMetric(point: ListedMetric, search: URLSearchParams): boolean {
  return (
    whenGiven(search, 'service', service => point.service === service) &&
    whenGiven(search, 'name', name => point.name === name) &&
    whenGiven(search, 'metric_type', type => point.metric_type === type)
  );
}

function servicesOf(spans: readonly ListedSpan[]): object[] {
  const byService = Map.groupBy(spans, ({ service }) => service);
  return Array.from(byService, ([name, ofService]) => {
    const { span_count, trace_count, avg_ms, error_rate } = figuresOf(ofService);
    return { avg_duration_ms: avg_ms, error_rate, name, span_count, trace_count };
  });
}

function figuresOf(spans: readonly ListedSpan[]) {
  const durations = spans.map(span => span.duration_ms).sort((a, b) => a - b);
  const error_count = spans.filter(({ status }) => status === 'error').length;
  return {
    span_count: spans.length,
    trace_count: new Set(spans.map(({ trace_id }) => trace_id)).size,
    error_count,
    error_rate: error_count / spans.length,
    avg_ms: durations.reduce((sum, ms) => sum + ms, 0) / spans.length,
    max_ms: durations.at(-1) ?? 0,
  };
}
