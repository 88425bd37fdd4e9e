import type { ServiceState, ShardReadRequest, SpanSlots, SpanTotals } from '../../shared/read/contract.ts';
import { SLOT_COUNT } from '../../shared/topology/hash.ts';
import type { SpanFacts } from './facts.ts';
import type { State } from './states.ts';

/** What each service did. */
export function serviceStates(spans: readonly SpanFacts[]): State<ServiceState>[] {
  return Array.from(
    Map.groupBy(spans, ({ service }) => service),
    ([service, ofService]) => ({ key: [service], state: { service, ...spanState(ofService) } }),
  );
}

/** One state. */
export function spanTotals(spans: readonly SpanFacts[]): State<SpanTotals>[] {
  let least: bigint | undefined;
  let greatest: bigint | undefined;
  for (const { durationNs } of spans) {
    if (least === undefined || durationNs < least) least = durationNs;
    if (greatest === undefined || durationNs > greatest) greatest = durationNs;
  }
  const state = {
    ...spanState(spans),
    ...(least !== undefined && { duration_min_ns: String(least), duration_max_ns: String(greatest) }),
  };
  return [{ key: [], state }];
}

function spanState(spans: readonly SpanFacts[]) {
  let errors = 0;
  let durationNs = 0n;
  const traces = new Set<string>();
  for (const span of spans) {
    if (span.status === 'error') errors++;
    durationNs += span.durationNs;
    traces.add(span.traceId);
  }
  return {
    span_count: spans.length,
    trace_count: traces.size,
    error_count: errors,
    duration_sum_ns: String(durationNs),
  };
}

export type SlotOf = (traceId: string) => number;

/** One state: the slots of these spans. */
export function spanSlots(spans: Iterable<SpanFacts>, slotOf: SlotOf): State<SpanSlots>[] {
  const isHeld = new Array<boolean>(SLOT_COUNT).fill(false);
  for (const { traceId } of spans) isHeld[slotOf(traceId)] = true;
  const slots: [number, number][] = [];
  for (const [slot, held] of isHeld.entries()) {
    const last = slots.at(-1);
    if (!held) continue;
    if (last?.[1] === slot - 1) last[1] = slot;
    else slots.push([slot, slot]);
  }
  return [{ key: [], state: { slots } }];
}

type TraceIdsRequest = Pick<ShardReadRequest<'traceIds'>, 'slots' | 'byService'>;

/** The distinct traces of some slots. */
export function traceIds(
  spans: readonly SpanFacts[],
  { slots, byService = false }: TraceIdsRequest,
  slotOf: SlotOf,
): State<object>[] {
  const isAsked = new Array<boolean>(SLOT_COUNT).fill(false);
  for (const [from, to] of slots) isAsked.fill(true, from, to + 1);
  const traces = new Map<string, readonly string[]>();
  for (const { service, traceId } of spans) {
    const key = [byService ? service : '', traceId];
    const text = JSON.stringify(key);
    if (!traces.has(text) && isAsked[slotOf(traceId)]) traces.set(text, key);
  }
  return Array.from(traces.values(), key => ({ key, state: {} }));
}
