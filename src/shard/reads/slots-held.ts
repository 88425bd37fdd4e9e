import { query } from './query.ts';
import { type AtCommit, type CommitRange, floorCommit, within } from './service-counts.ts';

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
      // A transaction that began before others may see what they have left out.
      const deleted = floor - last.after;
      const isMostlyThere = deleted >= 0n && deleted <= (last.upTo - last.after) / 2n;
      const base = isMostlyThere ? last : { after: floor, upTo: floor, slots: new Set<number>() };
      // Slots of later commits do no harm: they only say where traces are compared.
      if (context.asOf <= base.upTo) return base.slots;
      const added = await slotsIn(context, { after: base.upTo, upTo: context.asOf });
      const seen = { after: base.after, upTo: context.asOf, slots: new Set([...base.slots, ...added]) };
      if (kept === last && seen.upTo >= last.upTo) kept = seen;
      return seen.slots;
    },
  };
}

async function slotsIn({ connection }: AtCommit, range: CommitRange): Promise<ReadonlySet<number>> {
  const result = await query(connection, `SELECT DISTINCT slot FROM store.spans WHERE ${within(range)}`);
  return new Set(result.column(0) as Iterable<number>);
}
