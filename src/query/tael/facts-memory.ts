import type { WholeOutcome } from '../shard-call.ts';
import type { TaelCall } from './fetch-rows.ts';
import type { ListedRead, RowFilter } from './signal.ts';
import { type Flaw, loadTable, type Table, type TableOptions } from './tables.ts';
import { createWindow, type TimeBounds } from './window.ts';

/** What facts are asked of. */
export interface FactsFilter extends TimeBounds {
  readonly service?: string | undefined;
}

/** Facts of one signal of a shard, fetched once for all rounds of a read. */
export interface FactsMemory<T> {
  load(call: TaelCall, filter: FactsFilter): Promise<WholeOutcome<'loaded'>>;
  /** Of what was loaded: the facts in a window, and what is wrong with them. */
  within(filter: FactsFilter): { readonly facts: readonly T[]; readonly flaw: Flaw | undefined };
  all(): Iterable<T>;
}

interface Held<T> extends Table<T> {
  /** Absent when it is of all times. */
  readonly fromNs: string | undefined;
}

export function createFactsMemory<
  N extends ListedRead,
  R extends { readonly timeNs: bigint },
  T extends { readonly timeNs: bigint },
>(options: Omit<TableOptions<N, R, T>, 'filter'>): FactsMemory<T> {
  const byService = new Map<string | undefined, Held<T>>();

  return {
    async load(call, { service, fromNs }) {
      const known = byService.get(service);
      if (known !== undefined && beginsBy(known.fromNs, fromNs)) return LOADED;
      const outcome = await loadTable(call, { ...options, filter: { service, fromNs } as RowFilter<N> });
      if (outcome.kind !== 'answered') return outcome;
      byService.set(service, { ...outcome.value, fromNs });
      return LOADED;
    },
    within({ service, ...bounds }) {
      const { rows, flaw } = byService.get(service) ?? { rows: [], flaw: undefined };
      const isInside = createWindow(bounds);
      return { facts: rows.filter(({ timeNs }) => isInside(timeNs)), flaw };
    },
    *all() {
      for (const { rows } of byService.values()) yield* rows;
    },
  };
}

const LOADED = { kind: 'answered', value: 'loaded' } as const;

/** Whether a window is a part of another that begins at a time, or has no beginning. */
function beginsBy(heldNs: string | undefined, fromNs: string | undefined): boolean {
  if (heldNs === undefined) return true;
  return fromNs !== undefined && BigInt(heldNs) <= BigInt(fromNs);
}
