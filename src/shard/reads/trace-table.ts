import type { TracesOfCommit } from '../store/trace-order.ts';
import type { CommitRange } from './service-counts.ts';

/** A commit that has spans of a trace. */
export interface TraceCommit {
  readonly commitNo: bigint;
  /** Whether a span has the id of another there. */
  readonly repeats: boolean;
}

interface KeyHalves {
  readonly low: number;
  readonly high: number;
}

export function halvesOf(key: bigint): KeyHalves {
  return { low: Number(key & 0xffff_ffffn), high: Number(key >> 32n) };
}

/** Words of a place: what tells keys apart that belong there, and the commit. */
const PLACE_WORDS = 2;
/** That a word has room for. */
const MOST_COMMITS = 2n ** 31n;
/** Of the places; where more of them are taken, those that are looked for are far from where they belong. */
const MOST_TAKEN = 3 / 4;

/**
 * Which of a range of commits have spans of which traces, in 11 to 22 bytes for each: a hash table of trace keys, which
 * are hashes themselves. Of the entries that are compared with what is looked for about one in 4 billion is taken for it
 * wrongly, in large tables of few slots one in a billion.
 */
export class TraceTable implements CommitRange {
  readonly after: bigint;
  readonly sizeBytes: number;
  readonly #words: Uint32Array;
  readonly #shift: number;
  #upTo: bigint;
  #room: number;

  /** @param most traces of commits that are to fit */
  constructor(after: bigint, most: number) {
    const bits = Math.max(1, Math.ceil(Math.log2(most / MOST_TAKEN)));
    this.after = after;
    this.#upTo = after;
    this.#shift = 32 - bits;
    this.#words = new Uint32Array(PLACE_WORDS * 2 ** bits);
    this.sizeBytes = this.#words.byteLength;
    this.#room = Math.floor(MOST_TAKEN * 2 ** bits);
  }

  get upTo(): bigint {
    return this.#upTo;
  }

  /** Whether the next commit fits, with so many traces. */
  hasRoomFor(count: number): boolean {
    return count <= this.#room && this.#upTo + 1n - this.after < MOST_COMMITS;
  }

  /** Takes all that a commit has, which is the next one. */
  addCommit({ count, keys, repeats }: TracesOfCommit): void {
    const commit = Number(this.#upTo + 1n - this.after);
    for (let index = 0; index < count; index++) {
      const [low, high] = [keys[2 * index] as number, keys[2 * index + 1] as number];
      this.add(low, high, commit, repeats[index] === 1);
    }
    this.extend(this.#upTo + 1n);
  }

  /** @param commit its number, counted from {@link after} */
  add(low: number, high: number, commit: number, repeats: boolean): void {
    const words = this.#words;
    let at = this.#placeOf(high);
    while (words[at + 1] !== 0) at = this.#next(at);
    words[at] = tellingApart(low, high);
    words[at + 1] = 2 * commit + Number(repeats);
    this.#room--;
  }

  /** Says that nothing is missing of the commits up to one. */
  extend(upTo: bigint): void {
    this.#upTo = upTo;
  }

  /** The commits that have spans of a trace, in any order. */
  commitsOf({ low, high }: KeyHalves): readonly TraceCommit[] {
    const words = this.#words;
    const sought = tellingApart(low, high);
    const found: TraceCommit[] = [];
    for (let at = this.#placeOf(high); words[at + 1] !== 0; at = this.#next(at)) {
      if (words[at] !== sought) continue;
      const word = words[at + 1] as number;
      found.push({ commitNo: this.after + BigInt(word >>> 1), repeats: word % 2 === 1 });
    }
    return found;
  }

  /** By the high bits: the low ones say the slot, of which a shard may have few. */
  #placeOf(high: number): number {
    return PLACE_WORDS * (high >>> this.#shift);
  }

  #next(at: number): number {
    return (at + PLACE_WORDS) % this.#words.length;
  }
}

/** The low word; over its slot bits, which few keys differ in, bits of the high one that most tables choose no place by. */
function tellingApart(low: number, high: number): number {
  return (low ^ (high & 0x3fff)) >>> 0;
}
