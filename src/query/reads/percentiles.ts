import type { DurationBucket, DurationValue, ShardReadRequest } from '../../shared/read/contract.ts';
import {
  type Durations,
  durationsOf,
  findPercentiles,
  narrowPercentile,
  type PercentileStep,
  pickPercentile,
  type SuspectRange,
} from '../merge/percentile.ts';
import { BrokenPart, type RowPart } from '../merge/row-part.ts';
import { durationBucket, durationValue, type StateForm, statesOf } from '../merge/states.ts';
import { piecesOf } from './pieces.ts';
import { ask, type Rounds, together } from './rounds.ts';
import type { Window } from './window.ts';

/** A percentile of all durations of a window, or of one service's, that is being looked for. */
export interface Search {
  readonly service: string | undefined;
  readonly step: PercentileStep;
  /** How many of the durations in the range of the step each shard has. */
  readonly held: ReadonlyMap<string, number>;
}

/** Buckets per power of two are 2^scale. */
const SCALE = { overall: 6, byService: 3 };

/** The percentiles of all durations of a window, in nanoseconds; `undefined` when there are none. */
export function* percentiles(window: Window, ps: readonly number[]): Rounds<(bigint | undefined)[]> {
  const parts = yield* ask('durationBuckets', { ...window, scale: SCALE.overall });
  const buckets = heldBy(parts, durationBucket);
  const steps = findPercentiles(buckets, ps);
  return yield* settle(
    window,
    steps.map(step => searchAt(step, buckets, undefined)),
  );
}

/** A percentile of each of the services, by name; no entry for one without durations. */
export function* servicePercentiles(
  window: Window,
  services: readonly string[],
  p: number,
): Rounds<ReadonlyMap<string, bigint>> {
  const searches = yield* searchServices(window, services, { p, scale: SCALE.byService });
  return yield* settleByService(window, searches);
}

/** The first round only: where the percentiles must be. */
export function* searchServices(
  window: Window,
  services: readonly string[],
  { p, scale }: { readonly p: number; readonly scale: number },
): Rounds<ReadonlyMap<string, Search>> {
  const searches = new Map<string, Search>();
  for (const piece of piecesOf(services, SERVICES_AT_ONCE)) {
    const request = { ...window, services: piece, byService: true, scale };
    const buckets = heldBy(yield* ask('durationBuckets', request), durationBucket);
    for (const [service, ofService] of Map.groupBy(buckets, bucket => bucket.service ?? '')) {
      const [step] = findPercentiles(ofService, [p]);
      searches.set(service, searchAt(step as PercentileStep, ofService, service));
    }
  }
  return searches;
}

export function* settleByService(
  window: Window,
  searches: ReadonlyMap<string, Search>,
): Rounds<ReadonlyMap<string, bigint>> {
  const values = yield* settle(window, [...searches.values()]);
  return new Map(
    [...searches.keys()].flatMap((service, index) => {
      const value = values[index];
      return value === undefined ? [] : [[service, value] as const];
    }),
  );
}

/** Where the percentile is known to be; `undefined` when there are no durations. */
export function boundsOf({ step }: Search): { readonly minNs: bigint; readonly maxNs: bigint } | undefined {
  switch (step.kind) {
    case 'empty':
      return undefined;
    case 'found':
      return { minNs: step.valueNs, maxNs: step.valueNs };
    case 'narrow':
    case 'list':
      return step.range;
  }
}

/** Bounds of a round: of its request, and of the rows that come back. */
const SERVICES_AT_ONCE = { items: 500, bytes: 256 * 1024 };
const RANGES_AT_ONCE = { items: 1000, bytes: 256 * 1024 };
const ROWS_AT_ONCE = 100_000;
const PARTS = 256;

/** Rounds until every search has ended. They share each round as far as its bounds allow. */
function* settle(window: Window, searches: readonly Search[]): Rounds<(bigint | undefined)[]> {
  const settled = [...searches];
  for (;;) {
    const open = openSearches(settled);
    if (open.length === 0) {
      return settled.map(({ step }) => (step.kind === 'found' ? step.valueNs : undefined));
    }
    const { narrow = [], list = [] } = Object.groupBy(open, ({ kind }) => kind);
    const [buckets, values] = yield* together(
      heldInRanges(narrow, durationBucket, ranges =>
        ask('durationBuckets', { ...window, ranges, parts: PARTS }),
      ),
      heldInRanges(list, durationValue, ranges => ask('durationValues', { ...window, ranges })),
    );
    for (const [at, { index, range, service }] of narrow.entries()) {
      const inRange = buckets[at] ?? [];
      settled[index] = searchAt(narrowPercentile(range, inRange), inRange, service);
    }
    for (const [at, { index, range, service }] of list.entries()) {
      const valueNs = pickPercentile(range, values[at] ?? []);
      settled[index] = { service, step: { kind: 'found', valueNs }, held: new Map() };
    }
  }
}

/** A search that goes on, and its place among all. */
interface OpenSearch extends Omit<Search, 'step'> {
  readonly index: number;
  readonly kind: 'narrow' | 'list';
  readonly range: SuspectRange;
}

/** As many as one round may have; at least one when any is open. */
function openSearches(searches: readonly Search[]): OpenSearch[] {
  const all = searches.flatMap(({ step, ...search }, index) =>
    step.kind === 'narrow' || step.kind === 'list'
      ? [{ ...search, index, kind: step.kind, range: step.range }]
      : [],
  );
  let rows = 0;
  const fitting = all.findIndex(({ kind, range }) => {
    rows += kind === 'list' ? range.count : PARTS;
    return rows > ROWS_AT_ONCE;
  });
  return fitting < 0 ? all : all.slice(0, Math.max(fitting, 1));
}

type Ranges = ShardReadRequest<'durationValues'>['ranges'];

/** What the shards have in the range of each search: as many durations as they counted there before. */
function* heldInRanges(
  open: readonly OpenSearch[],
  form: StateForm<DurationBucket | DurationValue>,
  question: (ranges: Ranges) => Rounds<readonly RowPart[]>,
): Rounds<HeldDurations[][]> {
  const inRanges: HeldDurations[][] = [];
  for (const piece of piecesOf(open.map(rangeOf), RANGES_AT_ONCE)) {
    const held = heldBy(yield* question(piece), form);
    const byRange = Map.groupBy(held, ({ range }) => range);
    for (const index of piece.keys()) inRanges.push(byRange.get(index) ?? []);
  }
  for (const [index, search] of open.entries()) checkHeld(search, inRanges[index] ?? []);
  return inRanges;
}

function rangeOf({ range, service }: OpenSearch): Ranges[number] {
  return { service, minNs: String(range.minNs), maxNs: String(range.maxNs) };
}

/** A shard that was cut short, or has it wrong, must not move the percentile of the others. */
function checkHeld({ range, held }: OpenSearch, inRange: readonly HeldDurations[]): void {
  const now = countsIn(range, inRange);
  const stray = inRange.find(durations => !isInside(durations, range))?.shardId;
  const other = [...held.keys(), ...now.keys()].find(shardId => held.get(shardId) !== now.get(shardId));
  const broken = stray ?? other;
  if (broken !== undefined) {
    throw new BrokenPart(broken, 'counted other durations than in the round before');
  }
}

/** Durations of one shard. */
interface HeldDurations extends Durations {
  readonly shardId: string;
  readonly service: string | undefined;
  /** Index of the request's range. */
  readonly range: number | undefined;
}

function heldBy(parts: readonly RowPart[], form: StateForm<DurationBucket | DurationValue>): HeldDurations[] {
  return parts.flatMap(part =>
    statesOf([part], form).map(state => {
      const { minNs, maxNs, count } = durationsOf(state);
      const service = 'service' in state ? state.service : undefined;
      return { shardId: part.shardId, service, range: state.range, minNs, maxNs, count };
    }),
  );
}

function searchAt(
  step: PercentileStep,
  buckets: readonly HeldDurations[],
  service: string | undefined,
): Search {
  const held = 'range' in step ? countsIn(step.range, buckets) : new Map<string, number>();
  return { service, step, held };
}

/** No bucket lies across the end of a range: ranges are made of whole ones. */
function countsIn(range: SuspectRange, all: readonly HeldDurations[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const durations of all) {
    if (!isInside(durations, range)) continue;
    counts.set(durations.shardId, (counts.get(durations.shardId) ?? 0) + durations.count);
  }
  return counts;
}

function isInside({ minNs, maxNs }: Durations, range: SuspectRange): boolean {
  return minNs >= range.minNs && maxNs <= range.maxNs;
}
