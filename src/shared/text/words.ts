/** Longer runs of letters (base64, hashes) are cut: nobody searches for their tails. In code points. */
export const MAX_WORD_LENGTH = 64;
/** Shorter texts are cut into words at once, which is faster; longer ones would need many times their size. */
const MAX_CHARS_AT_ONCE = 64 * 1024;

/** Stands in the word tables for whatever word. No text has it: words are not empty. */
export const ANY_WORD = '';

const WORD = /[\p{L}\p{M}\p{N}_]+/gu;

/**
 * The words of a text in their order: runs of letters, marks, digits and underscores, in lower case. Texts that
 * Unicode holds for equal have equal words (NFC), and a sigma is a sigma wherever it stands.
 */
export function wordsIn(text: string): Iterable<string> {
  const normal = text.toLowerCase().normalize('NFC').replaceAll('ς', 'σ');
  return normal.length <= MAX_CHARS_AT_ONCE ? (normal.match(WORD) ?? []).map(cut) : lazily(normal);
}

function* lazily(normal: string): Generator<string> {
  for (const [word] of normal.matchAll(WORD)) yield cut(word);
}

function cut(word: string): string {
  if (word.length <= MAX_WORD_LENGTH) return word;
  // Never through the middle of a surrogate pair.
  return Array.from(word.slice(0, 2 * MAX_WORD_LENGTH))
    .slice(0, MAX_WORD_LENGTH)
    .join('');
}
