import { nanosKey, rowLine } from '../../src/shared/read/ndjson.ts';
import { createChance } from '../shaped/chance.ts';
import { BASE_NS } from '../shaped/source.ts';

/** The spans of one shard as row lines, newest first. */
export interface SpanRows {
  /** Lines from a row on. */
  lines(first: number, count: number): { readonly bytes: Buffer; readonly rows: number };
  /** The first row with a key that does not come before this one. */
  indexOf(key: readonly string[]): number;
  /** The first row of a window, of which there are {@link WINDOWS}: the same time on every shard. */
  windowStart(window: number): number;
}

/** Where rows can begin, so that not every question is about the same ones. */
export const WINDOWS = 64;
const WINDOW_NS = 100e6;

export interface RowPlan {
  readonly shard: number;
  readonly shards: number;
  readonly rows: number;
  /** Each trace is on some shard, as its hash says; or what is on a shard is newer than all that is on the next one. */
  readonly placement: 'by-trace' | 'by-time';
}

/** Mean time between two spans of all shards together. */
const STEP_NS = 1e6;
const SPANS_PER_TRACE = 8;
const TRACE_NS = 100e6;

export function createSpanRows({ shard, shards, rows, placement }: RowPlan): SpanRows {
  const chance = createChance(shard + 1);
  const lengthNs = rows * shards * STEP_NS;
  const [fromNs, toNs] =
    placement === 'by-trace'
      ? [0, lengthNs]
      : [(lengthNs * (shards - shard - 1)) / shards, (lengthNs * (shards - shard)) / shards];
  const spans: { startNs: bigint; traceId: string; spanId: string }[] = [];
  while (spans.length < rows) {
    const traceId = hex(chance, 4);
    const traceStartNs = fromNs + chance.number() * (toNs - fromNs - TRACE_NS);
    const size = 1 + Math.floor(-Math.log(1 - chance.number()) * (SPANS_PER_TRACE - 0.5));
    for (let span = 0; span < size && spans.length < rows; span++) {
      const startNs = BASE_NS + BigInt(Math.floor(traceStartNs + chance.number() * TRACE_NS));
      spans.push({ startNs, traceId, spanId: hex(chance, 2) });
    }
  }
  const keys = spans
    .map(({ startNs, traceId, spanId }) => [nanosKey(startNs), traceId, spanId] as const)
    .sort((a, b) => (a.join() < b.join() ? 1 : -1));
  const texts = keys.map(key => key.join());
  const indexOf = (start: string) => {
    const index = texts.findIndex(text => text <= start);
    return index < 0 ? rows : index;
  };
  const lines = keys.map(key => Buffer.from(spanLine(key, chance)));
  const offsets = [0];
  for (const line of lines) offsets.push((offsets.at(-1) ?? 0) + line.length);
  const bytes = Buffer.concat(lines);
  return {
    lines(first, count) {
      const end = Math.min(first + count, rows);
      return { bytes: bytes.subarray(offsets[first], offsets[end]), rows: end - first };
    },
    indexOf: key => indexOf(key.join()),
    windowStart: window => indexOf(nanosKey(BASE_NS + BigInt(lengthNs - window * WINDOW_NS))),
  };
}

type Chance = ReturnType<typeof createChance>;

function hex(chance: Chance, words: number): string {
  return Array.from({ length: words }, () =>
    chance
      .below(2 ** 32)
      .toString(16)
      .padStart(8, '0'),
  ).join('');
}

/** About 1 KB, in the members of a span of the read API. */
function spanLine(key: readonly [start: string, traceId: string, spanId: string], chance: Chance): string {
  const [start, traceId, spanId] = key;
  const service = `service-${chance.below(50)}`;
  const durationMs = chance.logNormal(20, 1);
  const timeAt = (ms: number) => new Date(Number(BigInt(start) / 1_000_000n) + ms).toISOString();
  const span = {
    trace_id: traceId,
    span_id: spanId,
    parent_span_id: hex(chance, 2),
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
  return rowLine(key, JSON.stringify(span));
}
