import { describe, expect, it } from 'vitest';
import { createMatcher, type MatchOperator } from '../../../../src/query/promql/matcher.ts';

function accepts(operator: MatchOperator, value: string, texts: readonly string[]): string[] {
  const matcher = createMatcher('a', operator, value);
  if (typeof matcher === 'string') throw new Error(matcher);
  return texts.filter(matcher.accepts);
}

const reason = (pattern: string) => createMatcher('a', '=~', pattern);

describe('a label matcher', () => {
  it('compares exactly with = and !=', () => {
    expect(accepts('=', 'ab', ['ab', 'a', 'abc', 'AB', ''])).toEqual(['ab']);
    expect(accepts('!=', 'ab', ['ab', 'a', ''])).toEqual(['a', '']);
  });

  it('matches the whole value with =~ and !~', () => {
    expect(accepts('=~', 'a|bc', ['a', 'bc', 'abc', 'ac', 'xa'])).toEqual(['a', 'bc']);
    expect(accepts('!~', 'a.*', ['abc', 'b', ''])).toEqual(['b', '']);
    expect(accepts('=~', '', ['', 'a'])).toEqual(['']);
    expect(accepts('=~', 'a.b', ['a\nb', 'a😀b', 'ab'])).toEqual(['a\nb', 'a😀b']);
  });

  it('has the syntax of RE2', () => {
    expect(accepts('=~', '(?i)GET\\s\\pL+', ['get über', 'GET 1'])).toEqual(['get über']);
    expect(reason('(?=a)')).toMatch(/^bad regular expression "\(\?=a\)": .*invalid/);
    expect(reason('(')).toMatch(/missing closing/);
    expect(reason('a\\1')).toMatch(/invalid escape/);
  });

  it('takes time that grows with the text alone', () => {
    // Backtracking would not come back from this one.
    expect(accepts('=~', '(a*)*b', ['a'.repeat(20_000)])).toEqual([]);
    expect(accepts('=~', '(a|aa)+$', [`${'a'.repeat(20_000)}b`])).toEqual([]);
  });

  it('bounds the size of a regular expression', () => {
    expect(reason('a'.repeat(4097))).toBe(
      `bad regular expression "${'a'.repeat(4097)}": longer than 4096 characters`,
    );
    expect(reason('(x{0,30}){0,30}'.repeat(17))).toMatch(/repeat counts add up to more than 1000$/);
    expect(accepts('=~', 'x{1000}', ['x'.repeat(1000)])).toHaveLength(1);
  });
});
