import { slotsOnSeveral, tracesOfPage } from '../merge/shared-traces.ts';
import { ask, NO_QUESTION, type Rounds } from './rounds.ts';
import type { Window } from './window.ts';

interface CountedTraces extends Window {
  readonly byService: boolean;
}

/** Traces of each shard that are compared in one round: some 6 MB. */
const PAGE_TRACES = 100_000;
/** Traces that are compared without a break: some 20 ms. */
const AT_ONCE = 5_000;

/**
 * How many traces are counted too often when the trace counts of the shards are added up, of each service or under the
 * one name `''` (F5): one that three shards have is counted twice too often. Where no slot has traces on several shards
 * it takes no round of its own.
 */
export function* repeatedTraces(
  counted: CountedTraces,
  limit = PAGE_TRACES,
): Rounds<ReadonlyMap<string, number>> {
  const repeats = new Map<string, number>();
  const slots = slotsOnSeveral(yield* ask('spanSlots', {}));
  if (slots.length === 0) return repeats;
  let startAt: [string, string] | undefined;
  do {
    const traces = tracesOfPage(yield* ask('traceIds', { ...counted, slots, startAt, limit }), limit);
    let compared = 0;
    let step = traces.next();
    for (; !step.done; step = traces.next()) {
      const { key, rows } = step.value;
      const [service = ''] = key;
      if (rows.length > 1) repeats.set(service, (repeats.get(service) ?? 0) + rows.length - 1);
      if (++compared % AT_ONCE === 0) yield NO_QUESTION;
    }
    startAt = step.value as typeof startAt;
  } while (startAt !== undefined);
  return repeats;
}
