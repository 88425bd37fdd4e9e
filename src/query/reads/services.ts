import type { ServiceState } from '../../shared/read/contract.ts';
import { milliseconds, ratio } from '../merge/figures.ts';
import { compareUtf8 } from '../merge/key-order.ts';
import { serviceState, statesOf } from '../merge/states.ts';
import { type Combined, membersOf, type Read } from './read.ts';
import { repeatedTraces } from './repeated-traces.ts';
import { ask, type Rounds, runRounds, together } from './rounds.ts';

/** `GET /api/v1/services`: what each service did, over everything stored (read API contract §1.2). */
export const servicesRead: Read = {
  name: 'services',
  path: '/api/v1/services',
  plan: () => ({
    kind: 'states',
    answer: shards => runRounds(shards, answerServices()),
    fieldsOf: () => ['services'],
  }),
};

function* answerServices(): Rounds<Combined> {
  const [parts, repeats] = yield* together(ask('services', {}), repeatedTraces({ byService: true }));
  const totals = new Map<string, Totals>();
  for (const state of statesOf(parts, serviceState)) {
    totals.set(state.service, add(totals.get(state.service) ?? ZERO, state));
  }
  const services = [...totals]
    .sort(([nameA, a], [nameB, b]) => b.spans - a.spans || compareUtf8(nameA, nameB))
    .map(([name, { spans, traces, errors, durationNs }]) => ({
      name,
      span_count: spans,
      trace_count: traces - (repeats.get(name) ?? 0),
      avg_duration_ms: ratio(milliseconds(durationNs), spans),
      error_rate: ratio(errors, spans),
    }));
  return { kind: 'found', members: membersOf({ services }) };
}

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
