import { z } from 'zod';
import type { ServiceState } from '../../shared/read/contract.ts';
import { compareUtf8 } from '../merge/key-order.ts';
import { repeatsByService, slotsOnSeveral } from '../merge/shared-traces.ts';
import { statesOf } from '../merge/states.ts';
import { type Combined, membersOf, type Read, type ShardReads } from './read.ts';

const count = z.int().min(0);
const serviceState: z.ZodType<ServiceState> = z.object({
  service: z.string(),
  span_count: count,
  trace_count: count,
  error_count: count,
  duration_sum_ns: z.string().regex(/^-?\d{1,39}$/),
});

/**
 * `GET /api/v1/services`: what each service did, over everything stored (read API contract §1.2). A trace that lies on
 * several shards is one trace (F5).
 */
export const servicesRead: Read = {
  name: 'services',
  path: '/api/v1/services',
  plan: () => ({ kind: 'states', answer: answerServices }),
};

async function answerServices(shards: ShardReads): Promise<Combined> {
  const [slots, states] = await shards.askTogether([
    { name: 'spanSlots', request: {} },
    { name: 'services', request: {} },
  ]);
  const shared = slotsOnSeveral(slots);
  const repeats =
    shared.length === 0
      ? NO_REPEATS
      : await repeatsByService(await shards.ask('traceIds', { slots: shared, byService: true }));
  const totals = new Map<string, Totals>();
  for (const state of statesOf(states, serviceState)) {
    totals.set(state.service, add(totals.get(state.service) ?? ZERO, state));
  }
  const services = [...totals]
    .sort(([nameA, a], [nameB, b]) => b.spans - a.spans || compareUtf8(nameA, nameB))
    .map(([name, { spans, traces, errors, durationNs }]) => ({
      name,
      span_count: spans,
      trace_count: traces - (repeats.get(name) ?? 0),
      avg_duration_ms: spans === 0 ? 0 : Number(durationNs) / spans / NANOS_PER_MS,
      error_rate: spans === 0 ? 0 : errors / spans,
    }));
  return { kind: 'found', members: membersOf({ services }) };
}

const NANOS_PER_MS = 1e6;
const NO_REPEATS: ReadonlyMap<string, number> = new Map();

/** Integers only, so that the order of the additions cannot show in the answer. */
interface Totals {
  readonly spans: number;
  readonly traces: number;
  readonly errors: number;
  readonly durationNs: bigint;
}

const ZERO: Totals = { spans: 0, traces: 0, errors: 0, durationNs: 0n };

function add(total: Totals, state: ServiceState): Totals {
  return {
    spans: total.spans + state.span_count,
    traces: total.traces + state.trace_count,
    errors: total.errors + state.error_count,
    durationNs: total.durationNs + BigInt(state.duration_sum_ns),
  };
}
