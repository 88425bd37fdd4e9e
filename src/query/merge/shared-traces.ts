import { z } from 'zod';
import type { SpanSlots } from '../../shared/read/contract.ts';
import type { RowLine } from '../../shared/read/ndjson.ts';
import { SLOT_COUNT } from '../../shared/topology/hash.ts';
import { compareKeys, type KeyOrder } from './key-order.ts';
import { BrokenPart, type RowPart, rowsOf } from './row-part.ts';
import { statesOf } from './states.ts';

const slot = z
  .int()
  .min(0)
  .max(SLOT_COUNT - 1);
const spanSlots: z.ZodType<SpanSlots> = z.object({ slots: z.array(z.tuple([slot, slot])) });

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

const ORDER: KeyOrder = ['ascending', 'ascending'];

/**
 * Out of the answers to `traceIds`: how many traces of each service, or of the one name `''`, are counted too often when
 * the counts of the shards are added up. A trace that three shards have is counted twice too often.
 */
export function repeatsOf(parts: readonly RowPart[]): ReadonlyMap<string, number> {
  const repeats = new Map<string, number>();
  let heads = parts.flatMap(part => next({ part, rest: rowsOf(part) }));
  while (heads.length > 1) {
    const { row: least } = heads.reduce((a, b) => (compareKeys(a.row.key, b.row.key, ORDER) <= 0 ? a : b));
    const same = heads.filter(({ row }) => compareKeys(row.key, least.key, ORDER) === 0);
    const [service = ''] = least.key;
    if (same.length > 1) repeats.set(service, (repeats.get(service) ?? 0) + same.length - 1);
    heads = heads.flatMap(head => (same.includes(head) ? next(head) : head));
  }
  return repeats;
}

interface Cursor {
  readonly part: RowPart;
  readonly rest: Iterator<RowLine>;
  /** The row before the next one. */
  readonly row?: RowLine;
}

interface Head extends Cursor {
  readonly row: RowLine;
}

function next({ part, rest, row: previous }: Cursor): Head[] {
  const { done, value: row } = rest.next();
  if (done === true) return [];
  if (row.key.length !== ORDER.length || row.key.some(element => typeof element !== 'string')) {
    throw new BrokenPart(part.shardId, 'sent a row whose key does not fit the read');
  }
  if (previous !== undefined && compareKeys(previous.key, row.key, ORDER) >= 0) {
    throw new BrokenPart(part.shardId, 'sent rows out of order');
  }
  return [{ part, rest, row }];
}
