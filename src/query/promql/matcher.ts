import { RE2JS, RE2JSException } from 're2js';

/** The label whose value is the metric's name. */
export const NAME_LABEL = '__name__';

export const MATCH_OPERATORS = ['=', '!=', '=~', '!~'] as const;
export type MatchOperator = (typeof MATCH_OPERATORS)[number];

/** A condition on one label; one that a series does not have is empty. */
export interface Matcher {
  readonly label: string;
  readonly operator: MatchOperator;
  readonly value: string;
  accepts(value: string): boolean;
}

/** Gives what is wrong with the regular expression, if it is one. */
export function createMatcher(label: string, operator: MatchOperator, value: string): Matcher | string {
  const matcher = { label, operator, value };
  switch (operator) {
    case '=':
      return { ...matcher, accepts: text => text === value };
    case '!=':
      return { ...matcher, accepts: text => text !== value };
    case '=~':
    case '!~': {
      const regex = compile(value);
      if (typeof regex === 'string') return `bad regular expression ${JSON.stringify(value)}: ${regex}`;
      return { ...matcher, accepts: text => regex.matches(text) === (operator === '=~') };
    }
  }
}

/** Both bound the time that compiling takes, to some 100 ms. */
const MAX_REGEX_CHARS = 4096;
const MAX_REPEATS = 1000;

/**
 * RE2, as in Prometheus: its time grows with the text and never explodes. It matches the whole value, and a dot
 * matches newlines, too.
 */
function compile(pattern: string): RE2JS | string {
  if (pattern.length > MAX_REGEX_CHARS) return `longer than ${MAX_REGEX_CHARS} characters`;
  const repeats = [...pattern.matchAll(/\{(\d*),?(\d*)\}/g)];
  const sum = repeats.reduce((total, [, least, most]) => total + Math.max(Number(least), Number(most)), 0);
  if (sum > MAX_REPEATS) return `its repeat counts add up to more than ${MAX_REPEATS}`;
  try {
    return RE2JS.compile(pattern, RE2JS.DOTALL);
  } catch (error) {
    if (error instanceof RE2JSException) return error.message;
    throw error;
  }
}
