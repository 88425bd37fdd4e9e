import type { GroupCount, ShardReadRequest } from '../../shared/read/contract.ts';
import { compareUtf8 } from '../merge/key-order.ts';
import type { State } from './states.ts';

type GroupRequest = Pick<ShardReadRequest<'groupCounts'>, 'atLeast' | 'groups' | 'top'>;

/**
 * How many records each group has.
 * @param groupOf - the names of a record's group
 */
export function groupStates<T>(
  records: readonly T[],
  groupOf: (record: T) => readonly string[],
  { atLeast = 1, groups, top }: GroupRequest,
): State<GroupCount>[] {
  const counts = new Map<string, { readonly group: readonly string[]; count: number }>();
  for (const record of records) {
    const group = groupOf(record);
    const name = JSON.stringify(group);
    const known = counts.get(name);
    if (known === undefined) counts.set(name, { group, count: 1 });
    else known.count++;
  }
  const named = groups && new Set(groups.map(group => JSON.stringify(group)));
  const asked = Array.from(counts)
    .filter(([name, { count }]) => count >= atLeast && (named?.has(name) ?? true))
    .map(([, state]) => state);
  return largest(asked, top).map(state => ({ key: state.group, state }));
}

function largest(groups: readonly GroupCount[], top: number | undefined): readonly GroupCount[] {
  if (top === undefined || groups.length <= top) return groups;
  return groups.toSorted((a, b) => b.count - a.count || compareNames(a.group, b.group)).slice(0, top);
}

function compareNames(a: readonly string[], b: readonly string[]): number {
  for (const [index, name] of a.entries()) {
    const compared = compareUtf8(name, b[index] as string);
    if (compared !== 0) return compared;
  }
  return 0;
}
