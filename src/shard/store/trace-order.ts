import { countOf, type PackedList } from './packed/list.ts';
import { SPANS } from './packed/tables.ts';
import type { SpanRecord } from './tables.ts';

/**
 * The spans of a commit, trace by trace: runs of equal ids take next to no space. Spans of a trace keep their order,
 * in which the last of equal ones counts, and traces that of their first span.
 */
export interface TraceOrder {
  /** Of the spans as they are to be stored, which one it was of all as they came. */
  readonly arrivals: Int32Array;
  readonly traces: TracesOfCommit;
}

export interface TracesOfCommit {
  /** The arrays may be longer. */
  readonly count: number;
  /** Low and high word of each one's key, in turn. */
  readonly keys: Int32Array;
  /**
   * Of each one 1 when a span has the id of another. Only then, and when a trace is in several commits, readers look
   * for the last.
   */
  readonly repeats: Uint8Array;
}

const { traceKey, spanId } = SPANS.at;
/** Up to here comparing ids with each other is cheaper than a set of them. */
const FEW_SPANS = 24;

export function orderByTrace(lists: readonly PackedList<SpanRecord>[]): TraceOrder {
  const spans = countOf(lists);
  const ids = new Int32Array(2 * spans);
  const groups = new TraceGroups(spans);
  let arrival = 0;
  for (const { words, length } of lists) {
    for (let at = 0; at < length * SPANS.words; at += SPANS.words, arrival++) {
      ids[2 * arrival] = words[at + spanId] as number;
      ids[2 * arrival + 1] = words[at + spanId + 1] as number;
      groups.add(arrival, words[at + traceKey] as number, words[at + traceKey + 1] as number);
    }
  }
  return groups.order(ids);
}

/** A hash table of trace keys, which are hashes themselves, each with a linked list of the spans that have it. */
class TraceGroups {
  /** Number of the trace at a place of the table, plus one. */
  readonly #table: Int32Array;
  /** Low and high word. */
  readonly #keys: Int32Array;
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  /** Of each span, the next one of its trace; 0 for none, as the first that came is nobody's next. */
  readonly #next: Int32Array;
  #count = 0;

  constructor(spans: number) {
    this.#table = new Int32Array(2 ** Math.ceil(Math.log2(2 * spans + 1)));
    this.#keys = new Int32Array(2 * spans);
    this.#first = new Int32Array(spans);
    this.#last = new Int32Array(spans);
    this.#next = new Int32Array(spans);
  }

  add(arrival: number, low: number, high: number): void {
    const trace = this.#find(low, high);
    if (trace === this.#count) {
      this.#count++;
      this.#keys[2 * trace] = low;
      this.#keys[2 * trace + 1] = high;
      this.#first[trace] = arrival;
    } else {
      this.#next[this.#last[trace] as number] = arrival;
    }
    this.#last[trace] = arrival;
  }

  /**
   * The number of the trace, the next one for a new key. Looked for by the high word: the low bits say the slot, of
   * which a shard among many has few.
   */
  #find(low: number, high: number): number {
    const mask = this.#table.length - 1;
    for (let place = high & mask; ; place = (place + 1) & mask) {
      const trace = (this.#table[place] as number) - 1;
      if (trace < 0) {
        this.#table[place] = this.#count + 1;
        return this.#count;
      }
      if (this.#keys[2 * trace] === low && this.#keys[2 * trace + 1] === high) return trace;
    }
  }

  order(ids: Int32Array): TraceOrder {
    const arrivals = new Int32Array(this.#next.length);
    const repeats = new Uint8Array(this.#count);
    let end = 0;
    for (let trace = 0; trace < this.#count; trace++) {
      const start = end;
      let arrival = this.#first[trace] as number;
      do {
        arrivals[end++] = arrival;
        arrival = this.#next[arrival] as number;
      } while (arrival > 0);
      if (hasRepeat(ids, arrivals, start, end)) repeats[trace] = 1;
    }
    return { arrivals, traces: { count: this.#count, keys: this.#keys, repeats } };
  }
}

function hasRepeat(ids: Int32Array, arrivals: Int32Array, start: number, end: number): boolean {
  if (end - start > FEW_SPANS) {
    const spans = arrivals.subarray(start, end);
    return new Set(Array.from(spans, span => `${ids[2 * span]} ${ids[2 * span + 1]}`)).size < spans.length;
  }
  for (let one = start + 1; one < end; one++) {
    const span = arrivals[one] as number;
    for (let other = start; other < one; other++) {
      const earlier = arrivals[other] as number;
      if (ids[2 * span] === ids[2 * earlier] && ids[2 * span + 1] === ids[2 * earlier + 1]) return true;
    }
  }
  return false;
}
