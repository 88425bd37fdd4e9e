import { parseTextQuery } from '../../shared/text/text-query.ts';

/**
 * A text search in the syntax of a tael-server, which is Tantivy's: every word and phrase is required. Words have letters,
 * digits and underscores only, so nothing in them is syntax. Without words it is empty, and finds nothing there, too.
 */
export function requiredTerms(text: string): string {
  const { words, phrases } = parseTextQuery(text);
  return [...words.map(word => `+${word}`), ...phrases.map(phrase => `+"${phrase.join(' ')}"`)].join(' ');
}
