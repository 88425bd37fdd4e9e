import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../../src/query/promql/evaluate.ts';
import { parsePromql } from '../../../../src/query/promql/parse.ts';
import type { Point, PointSource } from '../../../../src/query/promql/points.ts';
import { createSeriesSet, pushedDown } from '../../../../src/query/promql/series.ts';

const SECOND_NS = 1_000_000_000n;

function point(seconds: number, value: number | undefined, changes: Partial<PointSource> = {}): Point {
  const timeNs = BigInt(Math.round(seconds * 1e9));
  return { source: { name: 'x', service: 'shop', attributes: {}, ...changes }, timeNs, value };
}

function queryOf(text: string) {
  const parsed = parsePromql(text);
  if (parsed.kind === 'bad') throw new Error(parsed.error);
  return parsed.query;
}

function answer(text: string, points: readonly Point[]) {
  const query = queryOf(text);
  const set = createSeriesSet(query.matchers);
  const newestFirst = points.toSorted((a, b) => Number(b.timeNs - a.timeNs));
  for (const each of newestFirst) set.add(each);
  return evaluate(query, set.series()).map(({ metric, labels, value, timeNs }) => ({
    metric,
    labels: Object.fromEntries(labels),
    value,
    timeNs,
  }));
}

const values = (text: string, points: readonly Point[]) => answer(text, points).map(({ value }) => value);
const labelled = (a: string, value: number, changes: Partial<PointSource> = {}) =>
  point(1, value, { attributes: { a }, ...changes });

describe('a selector', () => {
  it('gives the newest sample of each series with its labels', () => {
    const points = [point(1, 10), point(3, 30, { attributes: { a: 'b' } }), point(2, 20), point(1, 5)];
    expect(answer('x', points)).toEqual([
      { metric: 'x', labels: { a: 'b', service: 'shop' }, value: 30, timeNs: 3n * SECOND_NS },
      { metric: 'x', labels: { service: 'shop' }, value: 20, timeNs: 2n * SECOND_NS },
    ]);
  });

  it('takes the first of equal times, in the order of points', () => {
    expect(values('x', [point(1, 10), point(1, 20)])).toEqual([10]);
  });

  it('takes a label that is not there for an empty one', () => {
    const points = [labelled('b', 1), point(1, 2)];
    expect(values('x{a=""}', points)).toEqual([2]);
    expect(values('x{a!=""}', points)).toEqual([1]);
    expect(values('x{a!="c"}', points)).toEqual([1, 2]);
    expect(values('x{a=~"b|"}', points)).toEqual([1, 2]);
    expect(values('x{nobody="a"}', points)).toEqual([]);
  });

  it('can select by service and by name', () => {
    const points = [point(1, 1), point(1, 2, { service: 'cart' }), point(1, 3, { name: 'x.y' })];
    expect(values('x{service!="shop"}', points)).toEqual([2]);
    expect(values('{__name__=~"x.*",service="shop"}', points)).toEqual([1, 3]);
  });

  it('leaves out points without a value and shows one that is not finite', () => {
    expect(values('x', [point(1, 7), point(2, undefined)])).toEqual([7]);
    expect(values('x', [point(1, 7), point(2, Number.NaN)])).toEqual([Number.NaN]);
  });

  it('D18: shows an attribute named service as exported_service', () => {
    const points = [point(1, 1, { attributes: { service: 'other', exported_service: 'third' } })];
    expect(answer('x', points)).toMatchObject([
      { labels: { service: 'shop', exported_service: 'third', exported_exported_service: 'other' } },
    ]);
    expect(values('x{exported_exported_service="other"}', points)).toEqual([1]);
  });

  it('D18: keeps series apart whatever their labels hold', () => {
    const points = [
      point(1, 1, { attributes: { a: '1,b=2' } }),
      point(1, 2, { attributes: { a: '1', b: '2' } }),
      point(1, 3, { attributes: { 'a=1,b': '2' } }),
      point(1, 4, { attributes: { a: '1"],["b","2' } }),
    ];
    expect(values('x', points).toSorted()).toEqual([1, 2, 3, 4]);
    expect(values('sum by (a, b, "a=1,b") (x)', points)).toHaveLength(4);
  });
});

describe('rate and increase', () => {
  it('D18: counts nanoseconds, not whole seconds', () => {
    const points = [point(1, 10), point(1.25, 11)];
    expect(answer('rate(x[5m])', points)).toEqual([
      { metric: 'rate(x)', labels: { service: 'shop' }, value: 4, timeNs: 1_250_000_000n },
    ]);
    expect(values('rate(x[5m])', [point(1, 10), point(3.5, 15)])).toEqual([2]);
    expect(values('increase(x[5m])', points)).toEqual([1]);
  });

  it('D18: a counter that fell began again at zero', () => {
    const points = [point(1, 10), point(2, 15), point(3, 2), point(4, 5), point(5, 1)];
    expect(values('increase(x[5m])', points)).toEqual([5 + 2 + 3 + 1]);
    expect(values('rate(x[5m])', points.toReversed())).toEqual([11 / 4]);
  });

  it('need two samples at different times', () => {
    expect(values('rate(x[5m])', [point(1, 10)])).toEqual([]);
    expect(values('rate(x[5m])', [point(1, 10), point(1, 11)])).toEqual([]);
    expect(values('rate(x[5m])', [point(1, 10), point(2, 10)])).toEqual([0]);
  });

  it('leave out samples that are not finite', () => {
    const points = [point(1, 10), point(2, Number.NaN), point(3, 14), point(4, Number.POSITIVE_INFINITY)];
    expect(answer('rate(x[5m])', points)).toMatchObject([{ value: 2, timeNs: 3n * SECOND_NS }]);
  });
});

describe('an aggregation', () => {
  const points = [
    { ...labelled('b', 1, { service: 'cart' }), timeNs: 5n },
    { ...labelled('b', 4), timeNs: 9n },
    labelled('a', 7),
    point(1, 20),
  ];

  it('groups by the labels that a series has', () => {
    expect(answer('sum by (a) (x)', points)).toMatchObject([
      { metric: 'sum', labels: {}, value: 20 },
      { metric: 'sum', labels: { a: 'a' }, value: 7 },
      { metric: 'sum', labels: { a: 'b' }, value: 5, timeNs: 9n },
    ]);
    expect(answer('count by (__name__) (x)', points)).toMatchObject([
      { labels: { __name__: 'x' }, value: 4 },
    ]);
  });

  it('is one group without labels, and nothing of nothing', () => {
    expect(answer('avg(x)', points)).toMatchObject([{ metric: 'avg', labels: {}, value: 8 }]);
    expect(values('min(x)', points)).toEqual([1]);
    expect(values('max(x)', points)).toEqual([20]);
    expect(answer('sum(x)', [])).toEqual([]);
  });

  it('can be nested', () => {
    expect(answer('max(sum by (service) (x))', points)).toMatchObject([
      { metric: 'max', labels: {}, value: 31 },
    ]);
    expect(answer('count by (service) (sum by (service, a) (x))', points)).toMatchObject([
      { labels: { service: 'cart' }, value: 1 },
      { labels: { service: 'shop' }, value: 3 },
    ]);
  });

  it('leaves values that are not finite out unless there are no others', () => {
    const mixed = [labelled('a', Number.POSITIVE_INFINITY), labelled('b', 2), labelled('c', Number.NaN)];
    expect(['sum', 'avg', 'min', 'max', 'count'].map(name => values(`${name}(x)`, mixed)[0])).toEqual([
      2, 2, 2, 2, 3,
    ]);
    expect(values('max by (a) (x)', mixed)).toEqual([Number.POSITIVE_INFINITY, 2, Number.NaN]);
  });

  it('D18: sums in the order of the labels, so that equal data give equal bits', () => {
    const many = [0.1, 0.2, 0.3, 1e16, -1e16, 0.7].map((value, index) => labelled(String(index), value));
    const sum = many.reduce((total, { value = 0 }) => total + value, 0);
    for (const order of [many, many.toReversed(), [...many.slice(3), ...many.slice(0, 3)]]) {
      expect(values('sum(x)', order)).toEqual([sum]);
    }
  });
});

describe('what shards filter by', () => {
  it('is what is equal, as far as it is the name of an attribute', () => {
    const text = '{__name__="a.b",service="",c="d",e="",f!="g",h=~"i",exported_service="j"}';
    expect(pushedDown(queryOf(text).matchers)).toEqual({
      name: 'a.b',
      service: '',
      attributes: [['c', 'd']],
    });
    expect(pushedDown(queryOf('{a=~"b"}').matchers)).toEqual({
      name: undefined,
      service: undefined,
      attributes: [],
    });
  });
});
