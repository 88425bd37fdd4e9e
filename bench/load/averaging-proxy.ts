import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';
import type { ShardPort } from '../memory-shards/shards.ts';
import type { ShardSummary } from '../memory-shards/states.ts';
import { obeyOrders } from './child.ts';

/*
 * What a proxy that averages does: it asks every shard for its own summary, and means percentiles by how many spans
 * they are of. The only order is the URLs of the shards.
 */

const TOP = 10;

function merge(summaries: readonly ShardSummary[]): ShardSummary {
  const traces = summaries.map(summary => summary.traces);
  const services = Map.groupBy(
    summaries.flatMap(summary => summary.top_services),
    ({ service }) => service,
  );
  return {
    traces: {
      span_count: sum(traces, 'span_count'),
      error_count: sum(traces, 'error_count'),
      avg_ms: mean(traces, 'avg_ms'),
      max_ms: Math.max(...traces.map(({ max_ms }) => max_ms)),
      p50_ms: mean(traces, 'p50_ms'),
      p95_ms: mean(traces, 'p95_ms'),
      p99_ms: mean(traces, 'p99_ms'),
    },
    top_services: Array.from(services, ([service, parts]) => ({
      service,
      span_count: sum(parts, 'span_count'),
      p95_ms: mean(parts, 'p95_ms'),
    }))
      .sort((a, b) => b.span_count - a.span_count)
      .slice(0, TOP),
  };
}

type Counted<K extends string> = Readonly<Record<K | 'span_count', number>>;

function sum<K extends string>(parts: readonly Counted<K>[], member: K | 'span_count'): number {
  return parts.reduce((total, part) => total + part[member], 0);
}

function mean<K extends string>(parts: readonly Counted<K>[], member: K): number {
  const weighted = parts.reduce((total, part) => total + part[member] * part.span_count, 0);
  return weighted / sum(parts, 'span_count');
}

obeyOrders<readonly string[]>(async urls => {
  const pools = urls.map(url => new Pool(url));
  const server = createServer(async ({ url: path = '' }, response) => {
    const summaries = await Promise.all(
      pools.map(async pool => {
        const { body } = await pool.request({ method: 'GET', path });
        return (await body.json()) as ShardSummary;
      }),
    );
    response.setHeader('content-type', 'application/json').end(JSON.stringify(merge(summaries)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port } satisfies ShardPort;
});
