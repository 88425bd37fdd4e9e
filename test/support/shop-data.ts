import type { Json } from './otlp-arbitraries.ts';
import { logsOf, metricsOf, type SpanSample, traceId, tracesOf } from './otlp-samples.ts';
import type { TestShard } from './test-shard.ts';

export const NOW_NS = 1_700_000_000_000_000_000n;
const NANOS_PER_MINUTE = 60_000_000_000n;

interface Sample<T> {
  readonly service: string;
  /** Records of equal keys are on one shard. */
  readonly key: number;
  readonly record: T;
}

export interface ShopData {
  readonly spans: readonly Sample<SpanSample>[];
  readonly logs: readonly Sample<Json>[];
  readonly metrics: readonly Sample<Json>[];
}

/** Eight hours of fourteen services, some of which have become slow in the last one, and some failing. */
export function shopData(): ShopData {
  const spans: Sample<SpanSample>[] = [];
  const logs: Sample<Json>[] = [];
  const metrics: Sample<Json>[] = [];
  for (let trace = 0; trace < 400; trace++) {
    const minutesAgo = (trace * 37) % 480;
    const start = NOW_NS - BigInt(minutesAgo) * NANOS_PER_MINUTE;
    for (let span = 0; span <= trace % 4; span++) {
      const service = (trace * 5 + span * 3) % 14;
      const isNow = minutesAgo < 60;
      const isSlow = isNow && service < 5;
      const isFailing =
        (trace * 3 + span) % 11 === 0 || (isNow && service > 4 && service < 8 && trace % 2 === 0);
      spans.push({
        service: `service ${service}`,
        key: trace,
        record: {
          trace,
          span: `${trace}-${span}`,
          start: start + BigInt(span),
          durationNs: BigInt((((trace * 7919 + span * 104_729) % 3000) + 1) * 100_003 * (isSlow ? 3 : 1)),
          name: `operation ${(trace * 5 + span) % 9}`,
          status: isFailing ? 2 : 1,
        },
      });
      metrics.push({
        service: `service ${service}`,
        key: trace % 23,
        record: gauge(`metric ${trace % 23}`, start + BigInt(span) * 1000n, trace),
      });
    }
    logs.push({
      service: `service ${trace % 14}`,
      key: trace,
      record: {
        timeUnixNano: String(start + 5n),
        severityNumber: trace % 25,
        body: { stringValue: `line ${trace}` },
        ...(trace % 3 > 0 && { traceId: traceId(trace) }),
      },
    });
  }
  return { spans, logs, metrics };
}

export function gauge(name: string, timeNs: bigint, value: number): Json {
  return { name, gauge: { dataPoints: [{ timeUnixNano: String(timeNs), asInt: String(value) }] } };
}

/** Stores each record on the shard that its key falls to. */
export async function load(
  { spans, logs, metrics }: ShopData,
  shards: readonly Pick<TestShard, 'send'>[],
): Promise<void> {
  for (const [index, shard] of shards.entries()) {
    const here = <T>(samples: readonly Sample<T>[]) => [
      ...Map.groupBy(
        samples.filter(({ key }) => key % shards.length === index),
        ({ service }) => service,
      ),
    ];
    const requestsOf = <T>(samples: readonly Sample<T>[], of: (service: string, records: T[]) => Json) =>
      here(samples).map(([service, some]) =>
        of(
          service,
          some.map(({ record }) => record),
        ),
      );
    await send(shard, 'traces', together('resourceSpans', requestsOf(spans, tracesOf)));
    await send(shard, 'logs', together('resourceLogs', requestsOf(logs, logsOf)));
    await send(shard, 'metrics', together('resourceMetrics', requestsOf(metrics, metricsOf)));
  }
}

function together(member: string, requests: readonly Json[]): Json {
  return { [member]: requests.flatMap(request => request[member] as Json[]) };
}

export async function send(
  shard: Pick<TestShard, 'send'>,
  ...[signal, json]: Parameters<TestShard['send']>
): Promise<void> {
  const response = await shard.send(signal, json);
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
}
