import type {
  DurationBucket,
  DurationValue,
  GroupCount,
  ServiceState,
  SpanTotals,
} from '../../shared/read/contract.ts';
import { BrokenPart, type RowPart, valuesOf } from './row-part.ts';

/**
 * What the JSON of a state says; `undefined` when it does not fit. An answer can be made of tens of thousands of states,
 * so that their forms are checked by hand and nothing is copied.
 */
export type StateForm<T> = (json: unknown) => T | undefined;

/** The partial states of all parts. Throws {@link BrokenPart} for one that does not fit the form. */
export function statesOf<T>(parts: readonly RowPart[], form: StateForm<T>): T[] {
  const states: T[] = [];
  for (const part of parts) {
    for (const values of valuesOf(part)) {
      for (const value of values) states.push(fitting(part.shardId, value, form));
    }
  }
  return states;
}

/** The state of one row. Throws {@link BrokenPart} when it does not fit the form. */
export function stateOf<T>(
  { shardId, rowJson }: { readonly shardId: string; readonly rowJson: string },
  form: StateForm<T>,
): T {
  let json: unknown;
  try {
    json = JSON.parse(rowJson);
  } catch (error) {
    throw new BrokenPart(shardId, MALFORMED_STATE, { cause: error });
  }
  return fitting(shardId, json, form);
}

const MALFORMED_STATE = 'sent a malformed state';

function fitting<T>(shardId: string, json: unknown, form: StateForm<T>): T {
  const state = form(json);
  if (state === undefined) throw new BrokenPart(shardId, MALFORMED_STATE);
  return state;
}

/** Members whose values nobody has looked at. */
type Unchecked<T> = { readonly [K in keyof T]?: unknown };

/** A form out of what the members of an object have to be. Other members are left alone. */
export function formOf<T extends object>(fits: (members: Unchecked<T>) => boolean): StateForm<T> {
  return json => (typeof json === 'object' && json !== null && fits(json) ? (json as T) : undefined);
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

const NANOS = /^-?\d{1,39}$/;

function isNanos(value: unknown): value is string {
  return typeof value === 'string' && NANOS.test(value);
}

function isSpanState(state: Unchecked<Omit<ServiceState, 'service'>>): boolean {
  return (
    isCount(state.span_count) &&
    isCount(state.trace_count) &&
    isCount(state.error_count) &&
    isNanos(state.duration_sum_ns)
  );
}

export const serviceState = formOf<ServiceState>(state => isText(state.service) && isSpanState(state));

export const spanTotals = formOf<SpanTotals>(
  state =>
    isSpanState(state) &&
    (state.duration_min_ns === undefined || isNanos(state.duration_min_ns)) &&
    (state.duration_max_ns === undefined || isNanos(state.duration_max_ns)),
);

export const durationBucket = formOf<DurationBucket>(
  state =>
    (state.service === undefined || isText(state.service)) &&
    (state.range === undefined || isCount(state.range)) &&
    isCount(state.count) &&
    isNanos(state.min_ns) &&
    isNanos(state.max_ns),
);

export const durationValue = formOf<DurationValue>(
  state => isCount(state.range) && isNanos(state.value_ns) && isCount(state.count),
);

export const groupCount = formOf<GroupCount>(
  state => Array.isArray(state.group) && state.group.every(isText) && isCount(state.count),
);
