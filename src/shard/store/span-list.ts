import { Arena } from './arena.ts';
import { KINDS, type Rows, type Source, type SpanRecord, STATUSES } from './tables.ts';

/**
 * Where in the words of a span its parts are, which have 32 bits each and the lowest first. A text is the place of its
 * first byte in the arena and its size in bytes, -1 for none.
 */
export const SPAN_WORDS = {
  traceId: 0,
  spanId: 4,
  parentSpanId: 6,
  startNs: 8,
  durationNs: 10,
  traceKey: 12,
  slot: 14,
  /** Numbers of `STATUSES` and `KINDS`. */
  status: 15,
  kind: 16,
  /** Number of the span's {@link SpanOrigin}. */
  origin: 17,
  replaces: 18,
  operation: 20,
  attributes: 22,
  events: 24,
  llm: 26,
  otlp: 28,
  /** So many words has a span. */
  count: 32,
} as const;

const W = SPAN_WORDS;

/** What the spans of one scope of one request share. */
export interface SpanOrigin {
  readonly service: string;
  readonly source: Source;
  /** The service among the texts. */
  readonly serviceStart: number;
  readonly serviceBytes: number;
}

/** What the texts of a span take, about. */
const USUAL_BYTES = 512;
/** Size of a text that is not there. */
export const NO_TEXT = -1;

/**
 * Spans packed into numbers and bytes, which are what DuckDB is given. As objects they would cost several times as much
 * as reading them off the wire does, and all of them would be garbage a moment later.
 */
export class SpanList implements Rows<SpanRecord> {
  length = 0;
  /** {@link SPAN_WORDS} for each span. */
  words: Int32Array;
  readonly texts: Arena;
  readonly origins: SpanOrigin[] = [];

  /** @param expectedBytes size of all texts, about */
  constructor(expectedBytes = 16 * USUAL_BYTES) {
    this.texts = new Arena(expectedBytes);
    this.words = new Int32Array(Math.ceil((expectedBytes + 1) / USUAL_BYTES) * W.count);
  }

  static of(spans: Rows<SpanRecord>): SpanList {
    if (spans instanceof SpanList) return spans;
    const list = new SpanList();
    for (const span of spans) list.push(span);
    return list;
  }

  /** Where the words of the next span are to be written, all of them, before `length` is raised. */
  next(): number {
    const at = this.length * W.count;
    if (at === this.words.length) {
      const larger = new Int32Array(2 * this.words.length);
      larger.set(this.words);
      this.words = larger;
    }
    return at;
  }

  /** The number of the origin, which the span before often has as well. */
  origin(service: string, source: Source): number {
    const last = this.origins.at(-1);
    if (last === undefined || last.source !== source || last.service !== service) {
      const serviceStart = this.texts.sizeBytes;
      this.origins.push({ service, source, serviceStart, serviceBytes: this.texts.addText(service) });
    }
    return this.origins.length - 1;
  }

  push(span: SpanRecord): void {
    const at = this.next();
    const { words } = this;
    words.fill(0, at, at + W.count);
    this.#writeNumber(at + W.traceId, span.traceId, 128);
    this.#writeNumber(at + W.spanId, span.spanId, 64);
    this.#writeNumber(at + W.parentSpanId, span.parentSpanId, 64);
    this.#writeNumber(at + W.startNs, span.startNs, 64);
    if (BigInt.asIntN(64, span.durationNs) !== span.durationNs)
      throw new RangeError(`${span.durationNs} does not fit into 64 bits`);
    this.#writeNumber(at + W.durationNs, BigInt.asUintN(64, span.durationNs), 64);
    this.#writeNumber(at + W.traceKey, span.traceKey, 64);
    words[at + W.slot] = span.slot;
    words[at + W.status] = STATUSES.indexOf(span.status);
    words[at + W.kind] = KINDS.indexOf(span.kind);
    words[at + W.origin] = this.origin(span.service, span.source);
    words[at + W.replaces] = Number(span.replaces);
    this.#writeText(at + W.operation, span.operation);
    this.#writeText(at + W.attributes, span.attributes);
    this.#writeText(at + W.events, span.events);
    this.#writeText(at + W.llm, span.llm);
    this.#writeText(at + W.otlp, span.otlp);
    this.length++;
  }

  at(index: number): SpanRecord {
    const at = index * W.count;
    const { words } = this;
    const { service, source } = this.origins[words[at + W.origin] as number] as SpanOrigin;
    return {
      traceId: (this.#number(at + W.traceId + 2) << 64n) | this.#number(at + W.traceId),
      slot: words[at + W.slot] as number,
      traceKey: this.#number(at + W.traceKey),
      spanId: this.#number(at + W.spanId),
      parentSpanId: this.#number(at + W.parentSpanId),
      service,
      operation: this.#text(at + W.operation) ?? '',
      startNs: this.#number(at + W.startNs),
      durationNs: BigInt.asIntN(64, this.#number(at + W.durationNs)),
      status: STATUSES[words[at + W.status] as number] ?? 'unset',
      kind: KINDS[words[at + W.kind] as number] ?? 'internal',
      attributes: this.#text(at + W.attributes) ?? '{}',
      events: this.#text(at + W.events),
      llm: this.#text(at + W.llm),
      otlp: this.#text(at + W.otlp),
      source,
      replaces: words[at + W.replaces] === 1,
    };
  }

  *[Symbol.iterator](): Generator<SpanRecord> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }

  #writeNumber(at: number, value: bigint, bits: number): void {
    if (BigInt.asUintN(bits, value) !== value)
      throw new RangeError(`${value} does not fit into ${bits} bits`);
    for (let word = 0; word < bits / 32; word++)
      this.words[at + word] = Number(BigInt.asIntN(32, value >> BigInt(32 * word)));
  }

  #number(at: number): bigint {
    const low = (this.words[at] as number) >>> 0;
    const high = (this.words[at + 1] as number) >>> 0;
    return (BigInt(high) << 32n) | BigInt(low);
  }

  /** What may not be nothing is refused by the table. */
  #writeText(at: number, text: string | null | undefined): void {
    this.words[at] = this.texts.sizeBytes;
    this.words[at + 1] = text === null || text === undefined ? NO_TEXT : this.texts.addText(text);
  }

  #text(at: number): string | null {
    const sizeBytes = this.words[at + 1] as number;
    return sizeBytes === NO_TEXT ? null : this.texts.text(this.words[at] as number, sizeBytes);
  }
}

/** When the last of the spans began; `null` without any. */
export function latestStart(lists: readonly SpanList[]): bigint | null {
  let high = -1;
  let low = -1;
  for (const { words, length } of lists) {
    for (let at = W.startNs; at < length * W.count; at += W.count) {
      const itsHigh = (words[at + 1] as number) >>> 0;
      if (itsHigh < high) continue;
      const itsLow = (words[at] as number) >>> 0;
      if (itsHigh === high && itsLow <= low) continue;
      high = itsHigh;
      low = itsLow;
    }
  }
  return high < 0 ? null : (BigInt(high) << 32n) | BigInt(low);
}
