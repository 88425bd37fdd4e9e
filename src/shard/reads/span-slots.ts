import type { ParsedShardRead, SpanSlots } from '../../shared/read/contract.ts';
import { rowLine } from '../../shared/read/ndjson.ts';
import { query } from './query.ts';
import type { ReadContext } from './read.ts';
import { type AtCommit, type CommitRange, floorCommit, within } from './service-counts.ts';

/** One row: the slots that the shard has traces of. */
export async function readSpanSlots(
  context: ReadContext,
  _request: ParsedShardRead<'spanSlots'>,
): Promise<Iterable<string>> {
  const state: SpanSlots = { slots: rangesOf(await context.slotsHeld.at(context)) };
  return [rowLine([], JSON.stringify(state))];
}

/**
 * The slots that spans lie in, some perhaps that only deleted spans lay in. What was seen is kept, so that only the
 * commits since are gone through; once half of what was gone through is deleted, everything is gone through again.
 */
export interface SlotsHeld {
  at(context: AtCommit): Promise<ReadonlySet<number>>;
}

interface Seen extends CommitRange {
  readonly slots: ReadonlySet<number>;
}

export function createSlotsHeld(): SlotsHeld {
  let kept: Seen = { after: 0n, upTo: 0n, slots: new Set() };
  return {
    async at(context) {
      const last = kept;
      const floor = await floorCommit(context);
      const isMostlyThere = floor - last.after <= (last.upTo - last.after) / 2n;
      const base = isMostlyThere ? last : { after: floor, upTo: floor, slots: new Set<number>() };
      // Slots of later commits do no harm: they only say where traces are compared.
      if (context.asOf <= base.upTo) return base.slots;
      const added = await slotsIn(context, { after: base.upTo, upTo: context.asOf });
      const seen = { after: base.after, upTo: context.asOf, slots: new Set([...base.slots, ...added]) };
      if (kept === last) kept = seen;
      return seen.slots;
    },
  };
}

async function slotsIn({ connection }: AtCommit, range: CommitRange): Promise<ReadonlySet<number>> {
  const result = await query(connection, `SELECT DISTINCT slot FROM store.spans WHERE ${within(range)}`);
  return new Set(result.column(0) as Iterable<number>);
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
