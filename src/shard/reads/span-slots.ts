import type { ParsedShardRead, SpanSlots } from '../../shared/read/contract.ts';
import { rowLine } from '../../shared/read/ndjson.ts';
import type { ReadContext } from './read.ts';

/** One row: the slots that the shard has traces of. */
export async function readSpanSlots(
  context: ReadContext,
  _request: ParsedShardRead<'spanSlots'>,
): Promise<Iterable<string>> {
  const state: SpanSlots = { slots: rangesOf(await context.slotsHeld.at(context)) };
  return [rowLine([], JSON.stringify(state))];
}

function rangesOf(slots: ReadonlySet<number>): SpanSlots['slots'] {
  const ranges: [number, number][] = [];
  for (const slot of [...slots].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last?.[1] === slot - 1) last[1] = slot;
    else ranges.push([slot, slot]);
  }
  return ranges;
}
