import { nanosKey, rowLine } from '../../src/shared/read/ndjson.ts';
import { createChance } from '../shaped/chance.ts';
import { BASE_NS } from '../shaped/source.ts';

/** The spans of one shard as row lines, newest first; the next span of all shards is always on the next shard. */
export interface SpanRows {
  /** Lines from a row on. */
  lines(first: number, count: number): { readonly bytes: Buffer; readonly rows: number };
  /** The first row with a key that does not come before this one. */
  indexOf(key: readonly string[]): number;
}

interface Options {
  readonly shard: number;
  readonly shards: number;
  readonly rows: number;
}

const STEP_NS = 1_000_000n;

export function createSpanRows({ shard, shards, rows }: Options): SpanRows {
  const chance = createChance(shard + 1);
  const newestNs = BASE_NS + BigInt(rows * shards) * STEP_NS;
  const startNs = (index: number) => newestNs - BigInt(index * shards + shard) * STEP_NS;
  const lines = Array.from({ length: rows }, (_, index) => Buffer.from(spanLine(startNs(index), chance)));
  const offsets = [0];
  for (const line of lines) offsets.push((offsets.at(-1) ?? 0) + line.length);
  const bytes = Buffer.concat(lines);
  return {
    lines(first, count) {
      const end = Math.min(first + count, rows);
      return { bytes: bytes.subarray(offsets[first], offsets[end]), rows: end - first };
    },
    indexOf([start = '']) {
      const rank = Number((newestNs - BigInt(start)) / STEP_NS);
      return Math.min(Math.max(Math.ceil((rank - shard) / shards), 0), rows);
    },
  };
}

type Chance = ReturnType<typeof createChance>;

/** About 1 KB, in the members of a span of the read API. */
function spanLine(startNs: bigint, chance: Chance): string {
  const hex = (words: number) =>
    Array.from({ length: words }, () =>
      chance
        .below(2 ** 32)
        .toString(16)
        .padStart(8, '0'),
    ).join('');
  const service = `service-${chance.below(50)}`;
  const durationMs = chance.logNormal(20, 1);
  const timeAt = (ms: number) => new Date(Number(startNs / 1_000_000n) + ms).toISOString();
  const [traceId, spanId] = [hex(4), hex(2)];
  const span = {
    trace_id: traceId,
    span_id: spanId,
    parent_span_id: hex(2),
    service,
    operation: `GET /api/${service}/items/{id}`,
    start_time: timeAt(0),
    end_time: timeAt(durationMs),
    duration_ms: durationMs,
    status: 'unset',
    attributes: {
      'http.request.method': 'GET',
      'http.route': `/api/${service}/items/{id}`,
      'http.response.status_code': '200',
      'enduser.id': `user-${chance.below(200_000)}`,
      'url.full': `https://shop.example.com/api/${service}/items/${chance.below(200_000)}`,
    },
    events: [],
    kind: 'server',
    otlp: { attributes: [{ key: 'http.response.status_code', value: { intValue: '200' } }], flags: 257 },
    resource: {
      resource: {
        attributes: Object.entries({
          'service.name': service,
          'k8s.pod.name': `${service}-7d9f8b6c5-${chance.below(8)}`,
        }).map(([key, stringValue]) => ({ key, value: { stringValue } })),
      },
    },
    scope: { name: 'io.opentelemetry.http', version: '2.1.0' },
  };
  return rowLine([nanosKey(startNs), traceId, spanId], JSON.stringify(span));
}
