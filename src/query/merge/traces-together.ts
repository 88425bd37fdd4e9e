import type { TraceTerms } from '../../shared/read/contract.ts';
import { compareUtf8 } from './key-order.ts';
import type { RowPart } from './row-part.ts';
import { rowsByKey } from './rows-by-key.ts';
import { formOf, isCount, stateOf } from './states.ts';

const traceTerms = formOf<TraceTerms>(
  ({ has, of }) => Array.isArray(has) && has.every(isCount) && isCount(of) && of > 0,
);

/**
 * Out of the answers to `traceTerms`: the traces that hold a text, in order, all shards taken together. With the answers
 * to `traceIds` those alone that a shard shows spans of and does not hold the whole text of itself.
 */
export function* tracesTogether(
  terms: readonly RowPart[],
  shown?: readonly RowPart[],
): Generator<string, undefined> {
  const showing = shown && holders(shown);
  for (const { key, rows } of rowsByKey(terms, 1)) {
    const traceId = key[0] as string;
    const states = rows.map(row => ({ ...row, ...stateOf(row, traceTerms) }));
    const together = new Set(states.flatMap(({ has }) => has));
    if (states.some(({ of }) => together.size < of)) continue;
    const isWhole = (id: string) =>
      states.some(({ shardId, has, of }) => shardId === id && has.length === of);
    if (showing === undefined || showing(traceId).some(id => !isWhole(id))) yield traceId;
  }
}

/** Which shards have each trace. To be asked about traces in their order. */
function holders(parts: readonly RowPart[]): (traceId: string) => readonly string[] {
  const traces = rowsByKey(parts, 2);
  let at = traces.next();
  return traceId => {
    const compared = () => (at.done ? 1 : compareUtf8(at.value.key[1] as string, traceId));
    while (compared() < 0) at = traces.next();
    return at.done || compared() > 0 ? [] : at.value.rows.map(({ shardId }) => shardId);
  };
}
