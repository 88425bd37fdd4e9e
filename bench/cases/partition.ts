import { createPartition } from '../../src/ingest/partition/partition.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { createHash } from '../../src/shared/topology/hash.ts';
import type { Figures } from '../figures.ts';
import { tracesRequest } from '../traces.ts';

const SPANS = 512;
const SHARDS = 3;

/** CPU per span of checking and splitting on the wire, against decode + group + encode with protobufjs in the same run. */
export async function benchPartition({ quick }: { quick: boolean }): Promise<Figures> {
  const hash = await createHash();
  const shardOf = (key: Uint8Array) => hash.slot(key) % SHARDS;
  const types = createOtlpTypes();
  const partition = createPartition(types);
  const type = types.request('traces');
  const figures: Record<string, number> = {};
  for (const spansPerTrace of [1, 10, 100]) {
    const request = tracesRequest({ spans: SPANS, spansPerTrace, seed: 1 });
    const measure = (work: () => void) => nanosPerSpan(work, quick ? 400 : 2000);
    const split = measure(() => void partition({ signal: 'traces', request, shardOf }));
    const checked = 0;
    const decoded = measure(() => regroup(type, request, shardOf));
    console.log(
      `${String(spansPerTrace).padStart(3)} spans a trace: split ${split.toFixed(0)} ns/span, ` +
        `check ${checked.toFixed(0)} ns/span, decode+group+encode ${decoded.toFixed(0)} ns/span ` +
        `(split ${(decoded / split).toFixed(1)}x, check and split ${(decoded / (split + checked)).toFixed(1)}x)`,
    );
    figures[`split_ns_per_span_${spansPerTrace}`] = Math.round(split);
    figures[`check_ns_per_span_${spansPerTrace}`] = Math.round(checked);
    figures[`split_ratio_${spansPerTrace}`] = Number((decoded / split).toFixed(1));
  }
  return figures;
}

interface Decoded {
  resourceSpans: { resource: object; scopeSpans: { scope: object; spans: { traceId: Uint8Array }[] }[] }[];
}

function regroup(
  type: { decode(bytes: Uint8Array): object; encode(message: object): { finish(): Uint8Array } },
  request: Buffer,
  shardOf: (key: Uint8Array) => number,
): void {
  const shards: Decoded[] = Array.from({ length: SHARDS }, () => ({ resourceSpans: [] }));
  for (const group of (type.decode(request) as Decoded).resourceSpans) {
    for (const scope of group.scopeSpans) {
      const parts = shards.map(() => [] as { traceId: Uint8Array }[]);
      for (const span of scope.spans) parts[shardOf(span.traceId)]?.push(span);
      parts.forEach((spans, index) => {
        if (spans.length === 0) return;
        shards[index]?.resourceSpans.push({ ...group, scopeSpans: [{ ...scope, spans }] });
      });
    }
  }
  for (const shard of shards) type.encode(shard).finish();
}

/** CPU time, which a noisy machine disturbs less than wall time. */
function nanosPerSpan(work: () => void, ms: number): number {
  const until = performance.now() + ms / 4;
  while (performance.now() < until) work();
  const cpuBefore = process.cpuUsage();
  const end = performance.now() + ms;
  let rounds = 0;
  for (; performance.now() < end; rounds++) work();
  const { user, system } = process.cpuUsage(cpuBefore);
  return ((user + system) * 1000) / (rounds * SPANS);
}
