import type { TextQuery } from '../../shared/text/text-query.ts';
import { allOf, type Parameters } from '../reads/where.ts';

/**
 * An SQL condition that holds for every text with the words, and for some without: those are told apart in
 * JavaScript, whose words count. In ASCII letters DuckDB and JavaScript agree about lower case, whatever else the text
 * has; beyond ASCII they do not, so there the condition only says that the text goes beyond it.
 */
export function mayHold(textSql: string, { words }: TextQuery, parameters: Parameters): string {
  const isAscii = (word: string) => /^[ -~]*$/.test(word);
  return allOf([
    ...words.filter(isAscii).map(word => `contains(lower(${textSql}), ${parameters.text(word)})`),
    words.every(isAscii) ? undefined : `strlen(${textSql}) <> length(${textSql})`,
  ]);
}
