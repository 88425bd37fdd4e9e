import { z } from 'zod';
import type { ServiceState, SpanTotals } from '../../shared/read/contract.ts';
import { wholeOf } from '../http-call.ts';
import type { WholeOutcome } from '../shard-call.ts';
import type { TaelCall } from './fetch-rows.ts';
import type { State } from './states.ts';
import { secondsSince } from './window.ts';

/*
 * What a tael-server has counted itself (contract §1.2, §1.4), as near to states of ours as rates and averages allow.
 * `undefined` when it does not say: the rows that were read have to do then.
 */

const count = z.int().min(0);
const rate = z.number().min(0).max(1);
const NANOS_PER_MS = 1e6;
/** No two unsigned 64-bit times are further apart. */
const MOST_MS = 2 ** 64 / NANOS_PER_MS;
const durationMs = z.number().min(-MOST_MS).max(MOST_MS);

const ownServices = z.object({
  services: z.array(
    z.object({
      name: z.string(),
      span_count: count,
      trace_count: count,
      avg_duration_ms: durationMs,
      error_rate: rate,
    }),
  ),
});

/** Over its hot tier. */
export async function fetchOwnServices(call: TaelCall): Promise<State<ServiceState>[] | undefined> {
  const own = await fetchJson(call, '/api/v1/services', ownServices);
  return own?.services.map(({ name, span_count, trace_count, avg_duration_ms, error_rate }) => {
    const error_count = Math.round(error_rate * span_count);
    const duration_sum_ns = nanosOf(avg_duration_ms * span_count);
    return { key: [name], state: { service: name, span_count, trace_count, error_count, duration_sum_ns } };
  });
}

const ownSummary = z.object({
  traces: z.object({
    span_count: count,
    trace_count: count,
    error_count: count,
    avg_ms: durationMs,
    max_ms: durationMs,
  }),
});

interface OwnWindow {
  readonly fromNs: string;
  readonly service?: string | undefined;
}

/** Of a window by its own clock. */
export async function fetchOwnTotals(
  call: TaelCall,
  { fromNs, service }: OwnWindow,
): Promise<State<SpanTotals>[] | undefined> {
  const search = new URLSearchParams({ last: String(secondsSince(fromNs, call.nowNs)) });
  if (service !== undefined) search.set('service', service);
  const own = await fetchJson(call, `/api/v1/summary?${search}`, ownSummary);
  if (own === undefined) return undefined;
  const { span_count, trace_count, error_count, avg_ms, max_ms } = own.traces;
  const duration_sum_ns = nanosOf(avg_ms * span_count);
  const state = { span_count, trace_count, error_count, duration_sum_ns, duration_max_ns: nanosOf(max_ms) };
  return [{ key: [], state }];
}

function nanosOf(ms: number): string {
  return String(BigInt(Math.round(ms * NANOS_PER_MS)));
}

async function fetchJson<T>(
  { calls, shard, signal, newMeter }: TaelCall,
  path: string,
  schema: z.ZodType<T>,
): Promise<T | undefined> {
  const get = { path, method: 'GET', signal, meter: newMeter?.() } as const;
  const outcome = await calls.ask<WholeOutcome<T | undefined>>(shard, get, async ({ body }) => {
    const text = (await wholeOf(body)).toString();
    return { kind: 'answered', value: parsed(text, schema) };
  });
  return outcome.kind === 'answered' ? outcome.value : undefined;
}

function parsed<T>(text: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
