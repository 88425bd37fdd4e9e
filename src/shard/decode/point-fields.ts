import { WireReader } from '../../shared/otlp/wire-reader.ts';
import type { JsonBytes } from './json-bytes.ts';
import type { OtlpMembers } from './otlp-members.ts';
import type { PlainAttributes } from './plain-attributes.ts';
import { readVarint32 } from './wire-values.ts';

/** Tags of `NumberDataPoint`: field number times eight, plus the wire type. */
const NUMBER = {
  startTime: 0x11,
  time: 0x19,
  asDouble: 0x21,
  exemplar: 0x2a,
  asInt: 0x31,
  attribute: 0x3a,
  flags: 0x40,
} as const;
/** Tags of `HistogramDataPoint`. */
const HISTOGRAM = {
  startTime: 0x11,
  time: 0x19,
  count: 0x21,
  sum: 0x29,
  bucketCounts: 0x32,
  explicitBounds: 0x3a,
  /** Of lists that are not packed. */
  bucketCount: 0x31,
  explicitBound: 0x39,
  exemplar: 0x42,
  attribute: 0x4a,
  flags: 0x50,
  min: 0x59,
  max: 0x61,
} as const;

const NUMBER_BYTES = 8;
const TWO_TO_32 = 2 ** 32;

const COMMA = 0x2c;
const CLOSE_LIST = 0x5d;

interface Reading {
  readonly kind: 'gauge' | 'sum' | 'histogram';
  readonly attributes: PlainAttributes;
}

/** The fields of one data point after the other of a request: of what it does not have, 0 or, for a place, -1. */
export class PointFields {
  readonly #request: Buffer;
  readonly #view: DataView;
  readonly #reader: WireReader;
  #isHistogram = false;
  #startTimeAt = -1;
  #timeAt = -1;
  #asDoubleAt = -1;
  #asIntAt = -1;
  #countAt = -1;
  #sumAt = -1;
  #minAt = -1;
  #maxAt = -1;
  #bucketsStart = 0;
  #bucketsEnd = 0;
  #boundsStart = 0;
  #boundsEnd = 0;
  #flags = 0;
  /** Start and end of each, in turn. */
  readonly #exemplars: number[] = [];

  constructor(request: Buffer) {
    this.#request = request;
    this.#view = new DataView(request.buffer, request.byteOffset, request.byteLength);
    this.#reader = new WireReader(request);
  }

  /** Reads the point in `[start, end)`, its attributes where they go; false when something of it is not plain. */
  read(start: number, end: number, { kind, attributes }: Reading): boolean {
    this.#reset();
    this.#isHistogram = kind === 'histogram';
    return this.#isHistogram
      ? this.#readHistogram(start, end, attributes)
      : this.#readNumber(start, end, attributes);
  }

  #readNumber(start: number, end: number, attributes: PlainAttributes): boolean {
    const reader = this.#reader;
    for (let at = start; at < end; at = reader.fieldEnd) {
      reader.read(at, end);
      const { valueStart, fieldEnd } = reader;
      switch (reader.field * 8 + reader.wireType) {
        case NUMBER.attribute:
          if (!attributes.add(this.#request, valueStart, fieldEnd)) return false;
          break;
        case NUMBER.startTime:
          this.#startTimeAt = valueStart;
          break;
        case NUMBER.time:
          this.#timeAt = valueStart;
          break;
        case NUMBER.asDouble:
          this.#asDoubleAt = valueStart;
          break;
        case NUMBER.asInt:
          this.#asIntAt = valueStart;
          break;
        case NUMBER.exemplar:
          this.#exemplars.push(valueStart, fieldEnd);
          break;
        case NUMBER.flags:
          this.#flags = readVarint32(this.#request, valueStart);
          break;
        default:
      }
    }
    // Of two values the last one counts, which the places do not tell.
    return this.#asDoubleAt < 0 || this.#asIntAt < 0;
  }

  #readHistogram(start: number, end: number, attributes: PlainAttributes): boolean {
    const reader = this.#reader;
    for (let at = start; at < end; at = reader.fieldEnd) {
      reader.read(at, end);
      const { valueStart, fieldEnd } = reader;
      switch (reader.field * 8 + reader.wireType) {
        case HISTOGRAM.attribute:
          if (!attributes.add(this.#request, valueStart, fieldEnd)) return false;
          break;
        case HISTOGRAM.startTime:
          this.#startTimeAt = valueStart;
          break;
        case HISTOGRAM.time:
          this.#timeAt = valueStart;
          break;
        case HISTOGRAM.count:
          this.#countAt = valueStart;
          break;
        case HISTOGRAM.sum:
          this.#sumAt = valueStart;
          break;
        case HISTOGRAM.bucketCounts:
          if (this.#bucketsStart !== this.#bucketsEnd || !isListOfNumbers(valueStart, fieldEnd)) return false;
          this.#bucketsStart = valueStart;
          this.#bucketsEnd = fieldEnd;
          break;
        case HISTOGRAM.explicitBounds:
          if (this.#boundsStart !== this.#boundsEnd || !isListOfNumbers(valueStart, fieldEnd)) return false;
          this.#boundsStart = valueStart;
          this.#boundsEnd = fieldEnd;
          break;
        case HISTOGRAM.bucketCount:
        case HISTOGRAM.explicitBound:
          return false;
        case HISTOGRAM.exemplar:
          this.#exemplars.push(valueStart, fieldEnd);
          break;
        case HISTOGRAM.flags:
          this.#flags = readVarint32(this.#request, valueStart);
          break;
        case HISTOGRAM.min:
          this.#minAt = valueStart;
          break;
        case HISTOGRAM.max:
          this.#maxAt = valueStart;
          break;
        default:
      }
    }
    return true;
  }

  /** What the row shows as the value (see `decodeMetric`). */
  value(): number | null {
    if (this.#isHistogram) return this.#sumAt < 0 ? 0 : this.#view.getFloat64(this.#sumAt, true);
    if (this.#asIntAt >= 0)
      return (
        this.#view.getInt32(this.#asIntAt + 4, true) * TWO_TO_32 + this.#view.getUint32(this.#asIntAt, true)
      );
    return this.#asDoubleAt < 0 ? null : this.#view.getFloat64(this.#asDoubleAt, true);
  }

  writeTime(words: Int32Array, at: number): void {
    words[at] = this.#timeAt < 0 ? 0 : this.#view.getInt32(this.#timeAt, true);
    words[at + 1] = this.#timeAt < 0 ? 0 : this.#view.getInt32(this.#timeAt + 4, true);
  }

  /** Writes the members that the columns do not tell, all but the attributes. */
  writeRest(rest: OtlpMembers, json: JsonBytes): void {
    this.#writeUnsigned('"startTimeUnixNano":', this.#startTimeAt, rest, json);
    if (this.#isHistogram) this.#writeHistogram(rest, json);
    else {
      rest.list('"exemplars":', 'Exemplar', this.#exemplars);
      if (this.#asIntAt >= 0) {
        rest.member('"asInt":"');
        json.signed64(
          this.#view.getUint32(this.#asIntAt + 4, true),
          this.#view.getUint32(this.#asIntAt, true),
        );
        json.ascii('"');
      }
    }
    rest.integer('"flags":', this.#flags);
    this.#writeDouble('"min":', this.#minAt, rest, json);
    this.#writeDouble('"max":', this.#maxAt, rest, json);
  }

  #writeHistogram(rest: OtlpMembers, json: JsonBytes): void {
    const view = this.#view;
    this.#writeUnsigned('"count":', this.#countAt, rest, json);
    this.#writeDouble('"sum":', this.#sumAt, rest, json);
    for (let at = this.#bucketsStart; at < this.#bucketsEnd; at += NUMBER_BYTES) {
      if (at === this.#bucketsStart) rest.member('"bucketCounts":["');
      else json.ascii('","');
      json.unsigned64(view.getUint32(at + 4, true), view.getUint32(at, true));
    }
    if (this.#bucketsStart < this.#bucketsEnd) json.ascii('"]');
    for (let at = this.#boundsStart; at < this.#boundsEnd; at += NUMBER_BYTES) {
      if (at === this.#boundsStart) rest.member('"explicitBounds":[');
      else json.byte(COMMA);
      json.double(view.getFloat64(at, true));
    }
    if (this.#boundsStart < this.#boundsEnd) json.byte(CLOSE_LIST);
    rest.list('"exemplars":', 'Exemplar', this.#exemplars);
  }

  /** Left out at its default. */
  #writeUnsigned(name: string, at: number, rest: OtlpMembers, json: JsonBytes): void {
    if (at < 0) return;
    const low = this.#view.getUint32(at, true);
    const high = this.#view.getUint32(at + 4, true);
    if ((low | high) === 0) return;
    rest.member(name);
    json.ascii('"');
    json.unsigned64(high, low);
    json.ascii('"');
  }

  #writeDouble(name: string, at: number, rest: OtlpMembers, json: JsonBytes): void {
    if (at < 0) return;
    rest.member(name);
    json.double(this.#view.getFloat64(at, true));
  }

  #reset(): void {
    this.#startTimeAt = -1;
    this.#timeAt = -1;
    this.#asDoubleAt = -1;
    this.#asIntAt = -1;
    this.#countAt = -1;
    this.#sumAt = -1;
    this.#minAt = -1;
    this.#maxAt = -1;
    this.#bucketsStart = 0;
    this.#bucketsEnd = 0;
    this.#boundsStart = 0;
    this.#boundsEnd = 0;
    this.#flags = 0;
    // Setting a length is slow.
    if (this.#exemplars.length > 0) this.#exemplars.length = 0;
  }
}

function isListOfNumbers(start: number, end: number): boolean {
  return (end - start) % NUMBER_BYTES === 0;
}
