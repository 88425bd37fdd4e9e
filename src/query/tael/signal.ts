import type { ShardReadRequest } from '../../shared/read/contract.ts';

/** The reads whose rows a tael-server lists. */
export type ListedRead = 'spans' | 'logs' | 'metrics';

/** A request without what says which of the matching rows are wanted. */
export type RowFilter<N extends ListedRead> = Omit<ShardReadRequest<N>, 'asOf' | 'limit' | 'startAt'>;

/** What a tael-server's rows of one signal are here. */
export interface TaelSignal<N extends ListedRead, R extends { readonly timeNs: bigint }> {
  readonly name: N;
  readonly path: string;
  /** Of its answer: the list of rows. */
  readonly member: string;
  /** For reasons: `spans`. */
  readonly what: string;
  /** Whether it gives the newest of these rows when it is asked for some. */
  isNewestFirst(filter: RowFilter<N>): boolean;
  /** `undefined` for a row that nothing can be made of. */
  decode(value: unknown): R | undefined;
  /** Parameters that leave out nothing that matches, but need not leave out all the rest; the window not among them. */
  params(filter: RowFilter<N>): readonly (readonly [name: string, value: string | undefined])[];
  /** Whatever the window is. */
  matches(row: R, filter: RowFilter<N>): boolean;
  /** In the order of the internal read contract. */
  key(row: R): string[];
  line(key: readonly string[], row: R, filter: RowFilter<N>): string;
  /** Rows of equal identity are one row. */
  identity?(row: R): string;
}
