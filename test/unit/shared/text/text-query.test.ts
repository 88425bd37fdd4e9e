import { describe, expect, it } from 'vitest';
import { createTextMatch, parseTextQuery } from '../../../../src/shared/text/text-query.ts';

function holds(search: string, ...texts: string[]): boolean {
  const match = createTextMatch(parseTextQuery(search));
  for (const text of texts) match.add(text);
  return match.isFound;
}

describe('a search', () => {
  it('asks for words, in whatever case and order and once each', () => {
    expect(parseTextQuery('Weather in PARIS, in May')).toEqual({
      words: ['weather', 'in', 'paris', 'may'],
      phrases: [],
    });
  });

  it('asks for a phrase between quotes, and for its words', () => {
    expect(parseTextQuery('tell "the weather" "in paris" now')).toEqual({
      words: ['tell', 'the', 'weather', 'in', 'paris', 'now'],
      phrases: [
        ['the', 'weather'],
        ['in', 'paris'],
      ],
    });
  });

  it('takes what follows a quote that is never closed, and quotes around one word, as words', () => {
    expect(parseTextQuery('a 5" disk is')).toEqual({ words: ['a', '5', 'disk', 'is'], phrases: [] });
    expect(parseTextQuery('"a b" c "d e')).toEqual({
      words: ['a', 'b', 'c', 'd', 'e'],
      phrases: [['a', 'b']],
    });
    expect(parseTextQuery('"paris"')).toEqual({ words: ['paris'], phrases: [] });
  });

  it('finds nothing without a word', () => {
    expect(holds('', 'text')).toBe(false);
    expect(holds(' "-" ', '-')).toBe(false);
  });

  it('finds words that stand in different texts, but whole words only', () => {
    expect(holds('paris weather', 'The WEATHER', 'in Paris')).toBe(true);
    expect(holds('par', 'paris')).toBe(false);
    expect(holds('paris rain', 'The weather', 'in Paris')).toBe(false);
  });

  it('finds a phrase only where its words follow one another in one text', () => {
    expect(holds('"the weather in"', 'what is the weather, in Paris?')).toBe(true);
    expect(holds('"weather the"', 'the weather')).toBe(false);
    expect(holds('"the weather"', 'see the', 'weather')).toBe(false);
    expect(holds('"a a b"', 'a a a b')).toBe(true);
    expect(holds('"a b" "b c"', 'a b c')).toBe(true);
    expect(holds('"a b" "b c"', 'b c', 'a b')).toBe(true);
  });
});
