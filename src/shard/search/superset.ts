import type { Parameters } from '../reads/where.ts';
import { allOf } from '../reads/where.ts';
import type { TextQuery } from './text-query.ts';

/**
 * An SQL condition that holds for every text with the words, and for some without. DuckDB and JavaScript agree about
 * the case of ASCII only, so every other text passes; those are looked at in JavaScript, whose words count.
 */
export function mayHold(textSql: string, { words }: TextQuery, parameters: Parameters): string {
  const isAscii = `strlen(${textSql}) = length(${textSql})`;
  // A word is what it is in lower case, so one beyond ASCII is in no ASCII text.
  if (words.some(word => /[^ -~]/.test(word))) return `NOT (${isAscii})`;
  const contained = words.map(word => `contains(lower(${textSql}), ${parameters.text(word)})`);
  return `(${allOf(contained)}) OR NOT (${isAscii})`;
}
