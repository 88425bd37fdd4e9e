import type { ShardReadRequest } from '../../shared/read/contract.ts';
import { compareUtf8 } from '../merge/key-order.ts';
import { groupCount, statesOf } from '../merge/states.ts';
import { piecesOf } from './pieces.ts';
import type { Combined } from './read.ts';
import { ask, type Rounds } from './rounds.ts';

/** A group of records and how many all shards have of it. */
export interface Group {
  /** In the order of the request's `by`. */
  readonly names: readonly string[];
  readonly count: number;
}

export type Groups = { readonly kind: 'groups'; readonly groups: readonly Group[] } | TooMany;

/** One shard has more groups than may be looked at. */
export type TooMany = Extract<Combined, { readonly kind: 'refused' }>;

export interface GroupOptions {
  /** Groups that one shard may give. */
  readonly maxGroups: number;
  /** What the groups are, for an error: `metric names`. */
  readonly what: string;
}

type CountsRequest = ShardReadRequest<'groupCounts'>;

/** Every group, the largest first, those of equal count by name. */
export function* allGroups(request: CountsRequest, options: GroupOptions): Rounds<Groups> {
  const lists = yield* countGroups({ ...request, top: options.maxGroups + 1 });
  return lists.some(({ size }) => size > options.maxGroups)
    ? tooMany(options)
    : { kind: 'groups', groups: ranked(added(lists)) };
}

/** The groups that are named, as far as there are any. */
export function* someGroups(request: CountsRequest, names: Iterable<readonly string[]>): Rounds<Group[]> {
  const groups: Group[] = [];
  for (const piece of piecesOf(names, NAMED_AT_ONCE)) {
    groups.push(...ranked(added(yield* countGroups({ ...request, groups: piece.map(each => [...each]) }))));
  }
  return groups;
}

/** Few enough for the body that a shard takes, which is 1 MiB. */
const NAMED_AT_ONCE = { items: 10_000, bytes: 256 * 1024 };

/** Shards that have no more groups than these give all of them at once. */
const FIRST_GROUPS = 5000;

/**
 * The `most` largest groups with their exact counts, without moving all of them: TPUT (Cao and Wang, "Efficient top-K
 * query calculation in distributed networks", PODC 2004).
 *
 * 1. Each shard gives its largest groups. The counts of what was seen are lower bounds, and so is their k-th largest
 *    for the k-th largest of all.
 * 2. Unless what no shard has shown is too small for that, each gives every group that is at least as large as an equal
 *    share of it. What is shown by none is then smaller.
 * 3. Of the groups that were seen, those that can reach the bound are counted exactly.
 */
export function* topGroups(
  request: CountsRequest,
  { most, ...options }: GroupOptions & { readonly most: number },
): Rounds<Groups> {
  const top = Math.max(most, Math.min(FIRST_GROUPS, options.maxGroups));
  let lists = (yield* countGroups({ ...request, top })).map(counts => ({
    counts,
    unseen: counts.size < top ? 0 : Math.min(...counts.values()),
  }));
  const bound = () => nthLargest(added(lists.map(({ counts }) => counts)), most);
  const unseen = () => lists.reduce((sum, list) => sum + list.unseen, 0);

  if (unseen() > 0 && unseen() >= bound()) {
    const atLeast = Math.ceil(bound() / lists.length);
    const more = yield* countGroups({ ...request, atLeast, top: options.maxGroups + 1 });
    if (more.some(({ size }) => size > options.maxGroups)) return tooMany(options);
    lists = lists.map((list, index) => ({
      counts: new Map([...list.counts, ...(more[index] ?? [])]),
      unseen: Math.min(list.unseen, atLeast - 1),
    }));
  }
  const seen = added(lists.map(({ counts }) => counts));
  if (unseen() === 0) return { kind: 'groups', groups: ranked(seen).slice(0, most) };

  const reached = bound();
  const candidates = [...seen.keys()].filter(
    key => reached <= lists.reduce((sum, list) => sum + (list.counts.get(key) ?? list.unseen), 0),
  );
  const counted = yield* someGroups(
    request,
    candidates.map(key => JSON.parse(key) as string[]),
  );
  return { kind: 'groups', groups: counted.sort(largestFirst).slice(0, most) };
}

/** Counts by the JSON text of the names. */
type Counts = ReadonlyMap<string, number>;

/** What each shard counts. */
function* countGroups(request: CountsRequest): Rounds<Counts[]> {
  const parts = yield* ask('groupCounts', request);
  return parts.map(
    part => new Map(statesOf([part], groupCount).map(({ group, count }) => [JSON.stringify(group), count])),
  );
}

function added(lists: readonly Counts[]): Counts {
  const sums = new Map<string, number>();
  for (const list of lists) {
    for (const [key, count] of list) sums.set(key, (sums.get(key) ?? 0) + count);
  }
  return sums;
}

function ranked(counts: Counts): Group[] {
  const groups = Array.from(counts, ([key, count]) => ({ names: JSON.parse(key) as string[], count }));
  return groups.sort(largestFirst);
}

function largestFirst(a: Group, b: Group): number {
  if (a.count !== b.count) return b.count - a.count;
  const differing = a.names.findIndex((name, index) => name !== b.names[index]);
  return differing < 0 ? 0 : compareUtf8(a.names[differing] as string, b.names[differing] as string);
}

function nthLargest(counts: Counts, n: number): number {
  return [...counts.values()].sort((a, b) => b - a)[n - 1] ?? 0;
}

function tooMany({ maxGroups, what }: GroupOptions): TooMany {
  return {
    kind: 'refused',
    status: 413,
    error: `a shard has more than ${maxGroups} ${what}, query.maxGroups: narrow the window or name a service`,
  };
}
