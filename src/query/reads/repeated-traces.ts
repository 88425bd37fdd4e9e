import { repeatsOf, slotsOnSeveral } from '../merge/shared-traces.ts';
import { ask, type Rounds } from './rounds.ts';
import type { Window } from './window.ts';

interface CountedTraces extends Window {
  readonly byService: boolean;
}

/**
 * How many traces are counted too often when the trace counts of the shards are added up, of each service or under the
 * one name `''` (F5). Where no slot has traces on several shards it takes no round of its own.
 */
export function* repeatedTraces(counted: CountedTraces): Rounds<ReadonlyMap<string, number>> {
  const slots = slotsOnSeveral(yield* ask('spanSlots', {}));
  if (slots.length === 0) return NONE;
  return repeatsOf(yield* ask('traceIds', { ...counted, slots }));
}

const NONE: ReadonlyMap<string, number> = new Map();
