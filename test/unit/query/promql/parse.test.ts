import { describe, expect, it } from 'vitest';
import { parsePromql } from '../../../../src/query/promql/parse.ts';

const MINUTE_NS = 60_000_000_000n;

/** What a query asks for, its matchers as text. */
function parsed(text: string) {
  const outcome = parsePromql(text);
  if (outcome.kind === 'bad') return outcome.error;
  const { matchers, over, aggregations } = outcome.query;
  return {
    match: matchers.map(({ label, operator, value }) => `${label} ${operator} ${value}`),
    ...(over !== undefined && { over }),
    ...(aggregations.length > 0 && { aggregations }),
  };
}

const X = { match: ['__name__ = x'] };

describe('PromQL', () => {
  it.each([
    ['x', X],
    [' ( x ) # with a comment', X],
    ['x{}', X],
    ['http:requests:rate5m', { match: ['__name__ = http:requests:rate5m'] }],
    [
      'x{a="1", b!="2", c=~"3|4", d!~"5.*",}',
      { match: [...X.match, 'a = 1', 'b != 2', 'c =~ 3|4', 'd !~ 5.*'] },
    ],
    [`x{a='b',c=\`d\\n\`}`, { match: [...X.match, 'a = b', 'c = d\\n'] }],
    ['{__name__="http.requests"}', { match: ['__name__ = http.requests'] }],
    ['{"http.requests", "http.route"="/pay"}', { match: ['__name__ = http.requests', 'http.route = /pay'] }],
    ['{service="shop"}', { match: ['service = shop'] }],
    ['x{by="a",sum="b",offset="c"}', { match: [...X.match, 'by = a', 'sum = b', 'offset = c'] }],
    ['rate(x[5m])', { ...X, over: { name: 'rate', rangeNs: 5n * MINUTE_NS } }],
    ['increase(x{}[1h30m])', { ...X, over: { name: 'increase', rangeNs: 90n * MINUTE_NS } }],
    ['sum(x)', { ...X, aggregations: [{ name: 'sum', by: [] }] }],
    ['SUM by (a, "b.c", a,) (x)', { ...X, aggregations: [{ name: 'sum', by: ['a', 'b.c'] }] }],
    ['count(x) by (a)', { ...X, aggregations: [{ name: 'count', by: ['a'] }] }],
    ['avg by () (x)', { ...X, aggregations: [{ name: 'avg', by: [] }] }],
    [
      'max by (a) (min(rate(x[1ms])) by (a, service))',
      {
        ...X,
        over: { name: 'rate', rangeNs: 1_000_000n },
        aggregations: [
          { name: 'min', by: ['a', 'service'] },
          { name: 'max', by: ['a'] },
        ],
      },
    ],
  ])('reads %s', (text, expected) => {
    expect(parsed(text)).toEqual(expected);
  });

  it.each([
    ['', 'unexpected end of the query'],
    ['x{a="b"', 'unexpected end of the query'],
    ['x{a="b"} y', 'unexpected "y" at character 10'],
    ['x{a=b}', 'unexpected "b}" at character 5'],
    ['a.b', 'unexpected ".b" at character 2; a name with dots is written {"a.b"} or {__name__="a.b"}'],
    ['x[5m]', 'a range needs rate or increase around it: x[5m]'],
    ['rate(x)', 'rate needs a range such as x[5m], not x'],
    ['rate(x[5m:1m])', 'rate needs a range such as x[5m], not x[5m:1m]'],
    ['rate(sum(x)[5m])', 'rate needs a range such as x[5m], not sum(x)[5m]'],
    ['rate(x[0s])', 'bad range 0s: expected a duration such as 5m or 1h30m'],
    ['rate(x[300])', 'bad range 300: expected a duration such as 5m or 1h30m'],
    ['rate(x[30m1h])', 'unexpected "1h])" at character 11'],
    ['sum(x, y)', 'expected one argument in sum(x, y)'],
    ['sum()', 'expected one argument in sum()'],
    ['x{a="\\q"}', 'bad escape in "\\q"'],
    ['{}', 'a selector needs a matcher that an empty value does not fit: {}'],
    ['{a=~".*"}', 'a selector needs a matcher that an empty value does not fit: {a=~".*"}'],
  ])('explains what is wrong with %s', (text, reason) => {
    expect(parsed(text)).toBe(`parse error: ${reason}`);
  });

  it.each([
    ['topk(3, x)', 'topk'],
    ['irate(x[5m])', 'irate'],
    ['sum without (a) (x)', 'without (a)'],
    ['x offset 5m', 'x offset 5m'],
    ['x @ 1', 'x @ 1'],
    ['x / y', 'x / y'],
    ['-x', '-x'],
    ['1', '1'],
    ['sum(rate(x[5m])) > 100000000000000000000000000000000', 'sum(rate(x[5m])) > 100000000000000000000…'],
  ])('names what it does not support in %s', (text, part) => {
    const supported = 'selectors, rate and increase, and sum, avg, min, max, count with by';
    expect(parsed(text)).toBe(`parse error: ${part} is not supported; supported are ${supported}`);
  });

  it('is not brought down by nesting', () => {
    const nested = (depth: number) => parsed(`${'sum('.repeat(depth)}x${')'.repeat(depth)}`);
    expect(nested(500)).toMatchObject(X);
    expect(nested(4000)).toMatch(/^parse error: unexpected /);
  });
});

describe('a string of PromQL', () => {
  it.each([
    ['"\\n\\t\\\\\\"\\\'"', '\n\t\\"\''],
    ['"\\x41\\101\\u00e4\\U0001F600"', 'AAä😀'],
    ['"ä 😀"', 'ä 😀'],
    ['`\\n"`', '\\n"'],
    ["''", ''],
  ])('%s is unescaped as in Go', (literal, value) => {
    expect(parsed(`x{a=${literal}}`)).toEqual({ match: [...X.match, `a = ${value}`] });
  });

  it.each(['\\z', '\\x8', '\\xff', '\\777', '\\ud800', '\\U00110000', '\\u00g0'])('refuses %s', text => {
    expect(parsed(`x{a="${text}"}`)).toBe(`parse error: bad escape in "${text}"`);
  });
});
