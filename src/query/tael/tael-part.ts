import type { KeyedLine } from './keyed-lines.ts';
import { type State, stateLines } from './states.ts';
import type { Flaw } from './tables.ts';

/** What a tael-server gives to one read. */
export interface TaelPart {
  /** In the order of the read. */
  readonly lines: readonly KeyedLine[];
  /** Why they are not exact; absent when they are. */
  readonly inexact: string | undefined;
}

/** Of states that were computed from rows. */
export function partOf(states: readonly State<object>[], flaw?: Flaw): TaelPart {
  return { lines: stateLines(states), inexact: flaw?.reason };
}
