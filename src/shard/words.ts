/** Longer runs of letters (base64, hashes) are cut: nobody searches for their tails. */
const MAX_WORD_LENGTH = 64;

/** The distinct lower-cased words of a text: runs of letters, marks, digits and underscores. */
export function wordsOf(text: string): ReadonlySet<string> {
  const words = new Set<string>();
  for (const [word] of text.toLowerCase().matchAll(/[\p{L}\p{M}\p{N}_]+/gu))
    words.add(word.slice(0, MAX_WORD_LENGTH));
  return words;
}
