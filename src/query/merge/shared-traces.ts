import type { SpanSlots } from '../../shared/read/contract.ts';
import { SLOT_COUNT } from '../../shared/topology/hash.ts';
import type { RowPart } from './row-part.ts';
import { type RowsOfKey, rowsByKey } from './rows-by-key.ts';
import { formOf, isCount, statesOf } from './states.ts';

const spanSlots = formOf<SpanSlots>(({ slots }) => Array.isArray(slots) && slots.every(isSlotRange));

function isSlotRange(range: unknown): boolean {
  return (
    Array.isArray(range) && range.length === 2 && range.every(slot => isCount(slot) && slot < SLOT_COUNT)
  );
}

/**
 * The slots that more than one shard has traces of, out of the answers to `spanSlots`: because the topology changed, or
 * because something was sent to another shard than the owner. Only their traces can be on several shards. Ranges in
 * order, both ends included.
 */
export function slotsOnSeveral(parts: readonly RowPart[]): [number, number][] {
  const holders = new Uint16Array(SLOT_COUNT);
  for (const { slots } of statesOf(parts, spanSlots)) {
    for (const [from, to] of slots) {
      for (let at = from; at <= to; at++) holders[at] = (holders[at] as number) + 1;
    }
  }
  const ranges: [number, number][] = [];
  for (const [at, count] of holders.entries()) {
    if (count < 2) continue;
    const last = ranges.at(-1);
    if (last?.[1] === at - 1) last[1] = at;
    else ranges.push([at, at]);
  }
  return ranges;
}

/**
 * Out of one page of the answers to `traceIds`, of at most `limit` rows from each shard: the traces, and the key that the
 * next page begins with; none when this was the last one. The shard whose full part ends first says how far the traces
 * of all shards are there.
 */
export function* tracesOfPage(
  parts: readonly RowPart[],
  limit: number,
): Generator<RowsOfKey, readonly string[] | undefined> {
  const given = new Map<string, number>();
  for (const trace of rowsByKey(parts, 2)) {
    for (const { shardId } of trace.rows) given.set(shardId, (given.get(shardId) ?? 0) + 1);
    if (trace.rows.some(({ shardId }) => given.get(shardId) === limit)) return trace.key;
    yield trace;
  }
  return undefined;
}
