import { wordsIn } from './words.ts';

/** What a search asks for. Without words it finds nothing. */
export interface TextQuery {
  /** Distinct, those of phrases included; every one must be there. */
  readonly words: readonly string[];
  /** Of two words or more, which must follow one another in one text. */
  readonly phrases: readonly (readonly string[])[];
}

/** Words and then phrases; a term is known by its place among them. */
export function termCount({ words, phrases }: TextQuery): number {
  return words.length + phrases.length;
}

/** Words in any order; between two double quotes a phrase. There is no other syntax, and no bad one. */
export function parseTextQuery(text: string): TextQuery {
  const parts = text.split('"');
  // After a quote that is never closed there are just words.
  const isOpen = (index: number) => index === parts.length - 1;
  const quoted = parts.filter((_, index) => index % 2 === 1 && !isOpen(index));
  return {
    words: [...new Set(parts.flatMap(part => [...wordsIn(part)]))],
    phrases: quoted.map(part => [...wordsIn(part)]).filter(phrase => phrase.length > 1),
  };
}

/** Goes through texts until they have shown what is asked for. */
export interface TextMatch {
  add(text: string): void;
  /** The texts together hold every word, and one of them each phrase. */
  readonly isFound: boolean;
  /** Places of the terms that were found. */
  found(): readonly number[];
}

export function createTextMatch({ words, phrases }: TextQuery): TextMatch {
  const missingWords = new Set(words);
  const missingPhrases = new Set(phrases);
  const longest = Math.max(0, ...phrases.map(phrase => phrase.length));
  const match = {
    get isFound() {
      return words.length > 0 && missingWords.size === 0 && missingPhrases.size === 0;
    },
    found() {
      const isThere = [
        ...words.map(word => !missingWords.has(word)),
        ...phrases.map(phrase => !missingPhrases.has(phrase)),
      ];
      return isThere.flatMap((isFound, place) => (isFound ? [place] : []));
    },
    add(text: string) {
      const latest: string[] = [];
      for (const word of wordsIn(text)) {
        if (match.isFound) return;
        missingWords.delete(word);
        if (missingPhrases.size === 0) continue;
        latest.push(word);
        if (latest.length > longest) latest.shift();
        for (const phrase of missingPhrases) if (endsWith(latest, phrase)) missingPhrases.delete(phrase);
      }
    },
  };
  return match;
}

function endsWith(words: readonly string[], phrase: readonly string[]): boolean {
  const from = words.length - phrase.length;
  return from >= 0 && phrase.every((word, index) => words[from + index] === word);
}
