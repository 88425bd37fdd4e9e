import type { WholeOutcome } from '../shard-call.ts';
import { type FetchedRows, fetchRows, type TaelCall } from './fetch-rows.ts';
import type { ListedRead, RowFilter, TaelSignal } from './signal.ts';
import { createWindow, lastParam } from './window.ts';

/** Rows that match, each once, in the order of the tael-server. */
export interface FoundRows<R> extends FetchedRows<R> {
  /** Of the last row that was read, whether it matches or not. */
  readonly lastNs: bigint;
}

export interface RowSearch<N extends ListedRead, R extends { readonly timeNs: bigint }, T> {
  readonly signal: TaelSignal<N, R>;
  readonly filter: RowFilter<N>;
  /** Instead of the filter's. */
  readonly fromNs: string | undefined;
  /** Most rows that are gone through. */
  readonly most: number;
  /** What else a row has to be. */
  readonly isWanted?: (row: R) => boolean;
  /** What is held of a row. */
  readonly make: (row: R) => T;
}

/** The rows of a tael-server that match, and whether there are more than were gone through. */
export async function findRows<N extends ListedRead, R extends { readonly timeNs: bigint }, T>(
  call: TaelCall,
  { signal, filter, fromNs, most, isWanted = () => true, make }: RowSearch<N, R, T>,
): Promise<WholeOutcome<FoundRows<T>>> {
  const isInWindow = createWindow({ fromNs, toNs: filter.toNs });
  const seen = new Set<string>();
  let lastNs = 0n;

  function isRepeated(row: R): boolean {
    const id = signal.identity?.(row);
    if (id === undefined) return false;
    if (seen.has(id)) return true;
    seen.add(id);
    return false;
  }

  const outcome = await fetchRows<T>(call, {
    path: signal.path,
    // One more than is read shows whether there are more.
    params: [...signal.params(filter), ['last', lastParam(fromNs, call.nowNs)], ['limit', String(most + 1)]],
    member: signal.member,
    most,
    take(value) {
      const row = signal.decode(value);
      if (row === undefined) return 'unreadable';
      lastNs = row.timeNs;
      const isFound = isInWindow(row.timeNs) && signal.matches(row, filter) && isWanted(row);
      return isFound && !isRepeated(row) ? make(row) : undefined;
    },
  });
  return outcome.kind === 'answered' ? { ...outcome, value: { ...outcome.value, lastNs } } : outcome;
}
