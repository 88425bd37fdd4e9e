import { type RowPart, rowsOf } from '../merge/row-part.ts';
import type { ShardReads } from './read.ts';
import { ask, type Rounds } from './rounds.ts';
import type { Window } from './window.ts';

type SlotRanges = [from: number, to: number][];

/** Most ranges of slots in one request. */
const MAX_RANGES = 1000;

/**
 * The slots whose traces are counted by their ids, because several shards may have spans of one; the traces of all
 * other slots are on one shard each, and their counts add up. Ids are right for any slot, so where there are too many
 * ranges for a request those that are closest to each other are joined.
 */
export function slotsCountedById(movedSlots: ShardReads['movedSlots']): SlotRanges {
  const ranges = movedSlots.toSorted(([a], [b]) => a - b);
  const gaps = ranges.slice(1).map(([from], index) => from - (ranges[index]?.[1] ?? 0));
  const widest = new Set(
    [...gaps.keys()].sort((a, b) => (gaps[b] ?? 0) - (gaps[a] ?? 0)).slice(0, MAX_RANGES - 1),
  );
  const joined: SlotRanges = [];
  for (const [index, [from, to]] of ranges.entries()) {
    const last = joined.at(-1);
    if (last === undefined || widest.has(index - 1)) joined.push([from, to]);
    else last[1] = Math.max(last[1], to);
  }
  return joined;
}

interface DistinctTraces extends Window {
  readonly slots: SlotRanges;
  readonly byService: boolean;
}

/** How many distinct traces of the slots all shards have together: of each service, or of the one key `''`. */
export function* distinctTraces(request: DistinctTraces): Rounds<ReadonlyMap<string, number>> {
  if (request.slots.length === 0) return new Map();
  const ids = new Map<string, Set<string>>();
  for (const [service, traceId] of keysOf(yield* ask('traceIds', request))) {
    const known = ids.get(service) ?? new Set();
    ids.set(service, known.add(traceId));
  }
  return new Map(Array.from(ids, ([service, { size }]) => [service, size]));
}

function keysOf(parts: readonly RowPart[]): [string, string][] {
  return parts.flatMap(part => Array.from(rowsOf(part), ({ key }) => key as [string, string]));
}
