import { compareUtf8 } from '../merge/key-order.ts';
import type { Aggregation, InstantQuery, RangeFunction } from './instant-query.ts';
import { NAME_LABEL } from './matcher.ts';
import { compareLabels, identityOf, type Labels, type Sample, type Series } from './series.ts';

/** One element of the answer (contract §1.3). */
export interface Element {
  /** The metric's name, `rate(<name>)`, or the operator of an aggregation. */
  readonly metric: string;
  readonly labels: Labels;
  readonly value: number;
  /** Of the newest sample in it. */
  readonly timeNs: bigint;
}

/** Elements ascending by their labels, then by metric. */
export function evaluate({ over, aggregations }: InstantQuery, series: readonly Series[]): Element[] {
  const vector = series.flatMap(each => elementOf(each, over)).sort(compareElements);
  return aggregations.reduce(aggregate, vector);
}

/** An element while it is computed; aggregations can group by the name that it came from. */
interface NamedElement extends Element {
  readonly name?: string;
}

function elementOf({ name, labels, samples }: Series, over: RangeFunction | undefined): NamedElement[] {
  const usable = over === undefined ? samples : samples.filter(({ value }) => Number.isFinite(value));
  const [newest] = usable;
  const value = over === undefined ? newest?.value : changeOf(usable.toReversed(), over);
  if (value === undefined || newest === undefined) return [];
  const metric = over === undefined ? name : `${over.name}(${name})`;
  return [{ metric, labels, value, timeNs: newest.timeNs, name }];
}

const NANOS_PER_SECOND = 1e9;

/**
 * How much a counter grew, of a rate per second, from the first sample to the last and no further; a counter that fell
 * has begun again at zero. The oldest sample comes first, and all are finite.
 */
function changeOf(samples: readonly Sample[], over: RangeFunction): number | undefined {
  const [first, last] = [samples.at(0), samples.at(-1)];
  if (first === undefined || last === undefined || first.timeNs === last.timeNs) return undefined;
  let lostInResets = 0;
  for (const [index, { value }] of samples.entries()) {
    const before = samples[index - 1]?.value ?? value;
    if (value < before) lostInResets += before;
  }
  const increase = last.value - first.value + lostInResets;
  if (over.name === 'increase') return increase;
  return increase / (Number(last.timeNs - first.timeNs) / NANOS_PER_SECOND);
}

function aggregate(vector: readonly NamedElement[], { name, by }: Aggregation): NamedElement[] {
  const groups = new Map<string, { labels: Labels; members: NamedElement[] }>();
  for (const element of vector) {
    const labels = pickLabels(element, by);
    const key = identityOf(labels, name);
    const group = groups.get(key) ?? { labels, members: [] };
    groups.set(key, group);
    group.members.push(element);
  }
  return [...groups.values()]
    .map(({ labels, members }) => ({
      metric: name,
      labels,
      value: REDUCERS[name](members.map(({ value }) => value)),
      timeNs: newestOf(members),
    }))
    .sort(compareElements);
}

function newestOf(elements: readonly Element[]): bigint {
  let newestNs = 0n;
  for (const { timeNs } of elements) if (timeNs > newestNs) newestNs = timeNs;
  return newestNs;
}

/** The labels to group by, as far as the element has them. */
function pickLabels({ labels, name }: NamedElement, by: readonly string[]): Labels {
  const values = new Map<string, string>(name === undefined ? labels : [[NAME_LABEL, name], ...labels]);
  return by
    .flatMap((label): Labels => {
      const value = values.get(label);
      return value === undefined ? [] : [[label, value]];
    })
    .toSorted(([a], [b]) => compareUtf8(a, b));
}

const REDUCERS: Readonly<Record<Aggregation['name'], (values: readonly number[]) => number>> = {
  count: values => values.length,
  sum: values => sum(finiteFirst(values)),
  avg: values => sum(finiteFirst(values)) / finiteFirst(values).length,
  min: values => finiteFirst(values).reduce((a, b) => Math.min(a, b)),
  max: values => finiteFirst(values).reduce((a, b) => Math.max(a, b)),
};

/** In the order of the elements, so that the same values always give the same sum. */
function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b);
}

/** Values that are not finite count only where there are no others. */
function finiteFirst(values: readonly number[]): readonly number[] {
  const finite = values.filter(Number.isFinite);
  return finite.length > 0 ? finite : values;
}

function compareElements(a: Element, b: Element): number {
  return compareLabels(a.labels, b.labels) || compareUtf8(a.metric, b.metric);
}
