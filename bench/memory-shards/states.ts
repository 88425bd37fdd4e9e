import type { GroupCount, ParsedShardRead, ShardReadName } from '../../src/shared/read/contract.ts';
import { nanosKey, rowLine } from '../../src/shared/read/ndjson.ts';
import { SLOT_COUNT } from '../../src/shared/topology/hash.ts';
import { type Durations, percentileMs, sortedUnion } from './durations.ts';

/** The aggregates that a summary is made of, over durations in memory; a window is taken to hold all of them. */
export interface States {
  lines<N extends ShardReadName>(name: N, request: ParsedShardRead<N>): readonly string[];
  /** What the shard would say to a proxy that asks it for its own summary. */
  summary(): ShardSummary;
}

export interface ShardSummary {
  readonly traces: SpanFigures;
  readonly top_services: readonly ServiceFigures[];
}

interface SpanFigures {
  readonly span_count: number;
  readonly error_count: number;
  readonly avg_ms: number;
  readonly max_ms: number;
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly p99_ms: number;
}

interface ServiceFigures {
  readonly service: string;
  readonly span_count: number;
  readonly p95_ms: number;
}

/** Which shard of how many. */
export interface Place {
  readonly shard: number;
  readonly shards: number;
}

interface Row {
  readonly key: readonly string[];
  readonly state: object;
}

const OPERATIONS_PER_SERVICE = 24;
const METRICS = 200;
const TOP = 10;

export function createStates(durations: Durations, { shard, shards }: Place): States {
  const all = sortedUnion(durations.values());
  const sumNs = all.reduce((sum, value) => sum + value, 0);
  const of = (service: string | undefined) =>
    service === undefined ? all : (durations.get(service) ?? new Float64Array());

  function spanTotals(): Row[] {
    const state = {
      span_count: all.length,
      trace_count: Math.ceil(all.length / 8),
      error_count: errorsAmong(all.length),
      duration_sum_ns: String(sumNs),
      ...(all.length > 0 && { duration_min_ns: String(all[0]), duration_max_ns: String(all.at(-1)) }),
    };
    return [{ key: [], state }];
  }

  /** Traces are all on their shard; the ranges are about as many as rendezvous hashing makes. */
  function spanSlots(): Row[] {
    const slots = [];
    for (let slot = shard; slot < SLOT_COUNT; slot += shards) slots.push([slot, slot]);
    return [{ key: [], state: { slots } }];
  }

  function durationBuckets(request: ParsedShardRead<'durationBuckets'>): Row[] {
    const { ranges, parts, byService, services, scale } = request;
    if (ranges !== undefined) {
      return ranges.flatMap(({ service, minNs, maxNs }, range) => {
        const width = Math.floor((Number(maxNs) - Number(minNs)) / parts) + 1;
        const partOf = (value: number) => Math.floor((value - Number(minNs)) / width);
        return counted(within(of(service), minNs, maxNs), partOf, { range });
      });
    }
    const bucketOf = (value: number) => Math.floor(Math.log2(value) * 2 ** scale);
    if (!byService) return counted(all, bucketOf, {});
    const asked = [...durations].filter(([service]) => services?.includes(service) ?? true);
    return asked.flatMap(([service, values]) => counted(values, bucketOf, { service }));
  }

  function durationValues({ ranges }: ParsedShardRead<'durationValues'>): Row[] {
    return ranges.flatMap(({ service, minNs, maxNs }, range) =>
      runs(within(of(service), minNs, maxNs), value => value).map(({ min, count }) => ({
        key: [nanosKey(BigInt(range)), nanosKey(BigInt(min))],
        state: { range, value_ns: String(min), count },
      })),
    );
  }

  function groupCounts({ of: what, by, groups, top, ...request }: ParsedShardRead<'groupCounts'>): Row[] {
    const isOfErrors = 'status' in request && request.status === 'error';
    const wanted = groups && new Set(groups.map(group => group.join('\n')));
    return groupsOf([what, ...by].join(' '), isOfErrors)
      .filter(({ group, count }) => count > 0 && (wanted?.has(group.join('\n')) ?? true))
      .toSorted((a, b) => b.count - a.count)
      .slice(0, top)
      .toSorted((a, b) => (a.group.join('\n') < b.group.join('\n') ? -1 : 1))
      .map(state => ({ key: state.group, state }));
  }

  function groupsOf(what: string, isOfErrors: boolean): GroupCount[] {
    const services = Array.from(durations, ([service, { length }]) => ({
      service,
      count: isOfErrors ? errorsAmong(length) : length,
    }));
    switch (what) {
      case 'spans service':
        return services.map(({ service, count }) => ({ group: [service], count }));
      case 'spans service operation':
        return services.flatMap(({ service, count }) =>
          numbered(OPERATIONS_PER_SERVICE, index => ({
            group: [service, `GET ${service}/${index}`],
            count: Math.floor(count / OPERATIONS_PER_SERVICE),
          })),
        );
      case 'logs severity':
        return ['error', 'info', 'warn'].map(severity => ({ group: [severity], count: 1000 }));
      case 'metrics name':
        return numbered(METRICS, index => ({ group: [`metric_${index}`], count: 1000 }));
      default:
        throw new Error(`this shard does not count ${what}`);
    }
  }

  const reads: { readonly [N in ShardReadName]?: (request: ParsedShardRead<N>) => Row[] } = {
    spanTotals,
    spanSlots,
    durationBuckets,
    durationValues,
    groupCounts,
  };

  return {
    lines(name, request) {
      const rows = reads[name]?.(request);
      if (rows === undefined) throw new Error(`this shard has no ${name}`);
      return rows.map(({ key, state }) => rowLine(key, JSON.stringify(state)));
    },
    summary: () => ({
      traces: {
        span_count: all.length,
        error_count: errorsAmong(all.length),
        avg_ms: sumNs / all.length / 1e6,
        max_ms: (all.at(-1) ?? 0) / 1e6,
        p50_ms: percentileMs(all, 0.5),
        p95_ms: percentileMs(all, 0.95),
        p99_ms: percentileMs(all, 0.99),
      },
      top_services: Array.from(durations, ([service, held]) => ({
        service,
        span_count: held.length,
        p95_ms: percentileMs(held, 0.95),
      }))
        .sort((a, b) => b.span_count - a.span_count)
        .slice(0, TOP),
    }),
  };
}

function numbered<T>(count: number, itemAt: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => itemAt(index));
}

function errorsAmong(spans: number): number {
  return Math.floor(spans / 10);
}

function within(sorted: Float64Array, minNs: string, maxNs: string): Float64Array {
  return sorted.filter(value => value >= Number(minNs) && value <= Number(maxNs));
}

interface Run {
  readonly bucket: number;
  count: number;
  readonly min: number;
  max: number;
}

/** Sorted values by bucket. */
function runs(sorted: Float64Array, bucketOf: (value: number) => number): Run[] {
  const found: Run[] = [];
  for (const value of sorted) {
    const bucket = bucketOf(value);
    const last = found.at(-1);
    if (last?.bucket === bucket) {
      last.count++;
      last.max = value;
    } else found.push({ bucket, count: 1, min: value, max: value });
  }
  return found;
}

function counted(
  sorted: Float64Array,
  bucketOf: (value: number) => number,
  tags: { readonly service?: string; readonly range?: number },
): Row[] {
  return runs(sorted, bucketOf).map(({ bucket, count, min, max }) => ({
    key: [tags.service ?? '', nanosKey(BigInt(tags.range ?? 0)), nanosKey(BigInt(bucket))],
    state: { ...tags, count, min_ns: String(min), max_ns: String(max) },
  }));
}
