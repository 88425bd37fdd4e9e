import { rowLine } from '../../shared/read/ndjson.ts';
import { compareKeys } from '../merge/key-order.ts';
import type { KeyedLine } from './keyed-lines.ts';

/** A partial state and its sort key, as our shards give them. */
export interface State<T extends object> {
  readonly key: readonly string[];
  readonly state: T;
}

/** Ascending by key. */
export function stateLines(states: readonly State<object>[]): KeyedLine[] {
  const order = new Array<'ascending'>(states[0]?.key.length ?? 0).fill('ascending');
  return states
    .toSorted((a, b) => compareKeys(a.key, b.key, order))
    .map(({ key, state }) => ({ key, line: rowLine(key, JSON.stringify(state)) }));
}
