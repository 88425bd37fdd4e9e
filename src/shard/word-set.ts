import type { BufferPool } from '../shared/buffer-pool.ts';
import { ANY_WORD, MAX_WORD_LENGTH, wordsIn } from '../shared/text/words.ts';
import { isSameBytes } from './decode/wire-values.ts';
import { Arena } from './store/arena.ts';

/** Distinct words that are remembered of one slice; where there are more, it may hold any word. */
const MAX_DISTINCT_WORDS = 250_000;
/** Of a word: where it begins among the texts, its size in bytes, and its hash. */
export const PLACE_WORDS = 3;
/** A power of two. */
const FEW_WORDS = 64;
/** What a word takes, about. */
const USUAL_BYTES = 12;
const NOTHING = new Int32Array(0);

const BEYOND_ASCII = -1;
/** What a byte is in a word; 0 when it is in none. */
const IN_WORD = Int8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x80) return BEYOND_ASCII;
  const character = String.fromCharCode(byte).toLowerCase();
  return /[a-z0-9_]/.test(character) ? character.charCodeAt(0) : 0;
});

/** Distinct words, packed as DuckDB takes them: as strings in a `Set` they would cost several times as much. */
export class WordSet implements Iterable<string> {
  size = 0;
  readonly texts: Arena;
  /** {@link PLACE_WORDS} numbers for each word. */
  places = NOTHING;
  /** Open addressing: the number of a word, plus one. */
  #table = NOTHING;
  #holdsAny = false;

  constructor(buffers?: BufferPool) {
    this.texts = new Arena(FEW_WORDS * USUAL_BYTES, buffers);
  }

  /** Adds the words of a text. When they get too many there is nothing but {@link ANY_WORD} from then on. */
  addText(text: string): void {
    if (this.#holdsAny) return;
    for (const word of wordsIn(text)) {
      const start = this.texts.sizeBytes;
      this.#keep(start, this.texts.addText(word));
      if (this.size <= MAX_DISTINCT_WORDS) continue;
      this.#holdAny();
      return;
    }
  }

  /** The same for a few kilobytes of ASCII; false when there is anything else, and it is to be added as a text. */
  addAscii(source: Uint8Array, start: number, end: number): boolean {
    if (this.#holdsAny) return false;
    const { texts } = this;
    texts.reserve(end - start);
    const { bytes } = texts;
    for (let at = start; at < end; at++) {
      const wordStart = texts.sizeBytes;
      const most = wordStart + MAX_WORD_LENGTH;
      let to = wordStart;
      let inWord = 0;
      for (; at < end; at++) {
        inWord = IN_WORD[source[at] as number] as number;
        if (inWord <= 0) break;
        if (to < most) bytes[to++] = inWord;
      }
      if (inWord === BEYOND_ASCII) return false;
      if (to === wordStart) continue;
      texts.sizeBytes = to;
      this.#keep(wordStart, to - wordStart);
    }
    if (this.size > MAX_DISTINCT_WORDS) this.#holdAny();
    return true;
  }

  /** Adds all words of another set, however many they become. */
  addAll({ texts, places, size }: WordSet): void {
    for (let word = 0; word < size; word++) {
      const from = places[PLACE_WORDS * word] as number;
      const sizeBytes = places[PLACE_WORDS * word + 1] as number;
      const start = this.texts.sizeBytes;
      this.texts.addRange(texts.bytes, from, from + sizeBytes);
      this.#keep(start, sizeBytes);
    }
  }

  *[Symbol.iterator](): Generator<string> {
    for (let word = 0; word < this.size; word++) {
      const at = PLACE_WORDS * word;
      yield this.texts.text(this.places[at] as number, this.places[at + 1] as number);
    }
  }

  /** Gives the memory back: there are no words any more. */
  release(): void {
    this.size = 0;
    this.#table = NOTHING;
    this.texts.release();
  }

  #holdAny(): void {
    this.#holdsAny = true;
    this.release();
    this.#keep(0, this.texts.addText(ANY_WORD));
  }

  /** Keeps the word that was written last, unless it is there already. */
  #keep(start: number, sizeBytes: number): void {
    if (2 * this.size >= this.#table.length) this.#grow();
    const hash = this.#hash(start, sizeBytes);
    const word = this.#find(hash, start, sizeBytes);
    if (word < this.size) {
      this.texts.sizeBytes = start;
      return;
    }
    const at = PLACE_WORDS * this.size++;
    this.places[at] = start;
    this.places[at + 1] = sizeBytes;
    this.places[at + 2] = hash;
  }

  /** The number of the word; a new one has the next number, and its place in the table. */
  #find(hash: number, start: number, sizeBytes: number): number {
    const { places } = this;
    const { bytes } = this.texts;
    const table = this.#table;
    const mask = table.length - 1;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const word = (table[place] as number) - 1;
      if (word < 0) {
        table[place] = this.size + 1;
        return this.size;
      }
      const at = PLACE_WORDS * word;
      if (places[at + 2] !== hash || places[at + 1] !== sizeBytes) continue;
      if (isSameBytes(bytes, places[at] as number, start, sizeBytes)) return word;
    }
  }

  #grow(): void {
    const capacity = Math.max(FEW_WORDS, this.#table.length);
    const { places } = this;
    this.places = new Int32Array(PLACE_WORDS * capacity);
    this.places.set(places.subarray(0, PLACE_WORDS * this.size));
    const table = new Int32Array(2 * capacity);
    const mask = table.length - 1;
    for (let word = 0; word < this.size; word++) {
      let place = (this.places[PLACE_WORDS * word + 2] as number) & mask;
      while (table[place] !== 0) place = (place + 1) & mask;
      table[place] = word + 1;
    }
    this.#table = table;
  }

  /** FNV-1a of 32 bits. */
  #hash(start: number, sizeBytes: number): number {
    const { bytes } = this.texts;
    let hash = 0x811c9dc5;
    for (let at = start; at < start + sizeBytes; at++)
      hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
    // The lowest bits alone are the place in the table.
    return hash ^ (hash >>> 15);
  }
}

/** All words of the sets, however many. */
export function unionOf(sets: readonly WordSet[]): WordSet {
  const filled = sets.filter(({ size }) => size > 0);
  const [first] = filled;
  if (first !== undefined && filled.length === 1) return first;
  const union = new WordSet();
  for (const set of filled) union.addAll(set);
  return union;
}
