import type { OtlpTypes } from '../../shared/otlp/messages.ts';
import { WireReader } from '../../shared/otlp/wire-reader.ts';
import { Arena } from '../store/arena.ts';
import { NO_TEXT, ORIGIN_AT, writeUint64 } from '../store/packed/fields.ts';
import type { PackedList } from '../store/packed/list.ts';
import { METRICS } from '../store/packed/tables.ts';
import { METRIC_TYPES, type MetricRecord } from '../store/tables.ts';
import { JsonBytes } from './json-bytes.ts';
import type { MetricPoints } from './metric-points.ts';
import { OtlpMembers } from './otlp-members.ts';
import { PlainAttributes } from './plain-attributes.ts';
import { PointFields } from './point-fields.ts';
import type { Surroundings } from './surroundings.ts';
import { checkUtf8, readVarint32 } from './wire-values.ts';

/** Tags of `Metric`: field number times eight, plus the wire type. */
const NAME = 0x0a;
const DESCRIPTION = 0x12;
const UNIT = 0x1a;
const GAUGE = 0x2a;
const SUM = 0x3a;
const HISTOGRAM = 0x4a;
const EXPONENTIAL_HISTOGRAM = 0x52;
const SUMMARY = 0x5a;
const METADATA = 0x62;
/** Tags of `Gauge`, `Sum` and `Histogram`. */
const DATA_POINT = 0x0a;
const AGGREGATION_TEMPORALITY = 0x10;
const IS_MONOTONIC = 0x18;

type Kind = 'gauge' | 'sum' | 'histogram';
const KINDS: Readonly<Record<number, Kind>> = { [GAUGE]: 'gauge', [SUM]: 'sum', [HISTOGRAM]: 'histogram' };

/** What points have in common besides their name and unit, in bytes, about. */
const HEAD_BYTES = 1024;
const AT = METRICS.at;

export interface PlainMetricDeps {
  readonly metrics: PackedList<MetricRecord>;
  readonly types: OtlpTypes;
}

/**
 * Reads the data points of one request straight off the wire into a list, as far as they are as nearly all are: of
 * gauges, sums and histograms. The others are decoded to messages first; what is read is the same either way.
 */
export class PlainMetricReader implements MetricPoints {
  readonly #request: Buffer;
  readonly #reader: WireReader;
  readonly #metrics: PackedList<MetricRecord>;
  readonly #json: JsonBytes;
  readonly #attributes: PlainAttributes;
  readonly #rest: OtlpMembers;
  readonly #point: PointFields;
  /** What each point has before its own members in OTLP/JSON. */
  readonly #head: JsonBytes;
  readonly #headMembers: OtlpMembers;
  /** The fields of one metric after the other. A text is where it begins and ends, an empty one in the same place. */
  #nameStart = 0;
  #nameEnd = 0;
  #unitStart = 0;
  #unitEnd = 0;
  #descriptionStart = 0;
  #descriptionEnd = 0;
  #kind: Kind | undefined;
  #dataStart = 0;
  #dataEnd = 0;
  #temporality = 0;
  #isMonotonic = false;
  /** Start and end of each, in turn. */
  readonly #points: number[] = [];
  #ties: readonly bigint[] = [];
  /** What all of its points have, once it is among the records. */
  #origin = 0;
  #nameAt = 0;
  #unitAt = 0;
  /** The records and their texts before the metric. */
  #lengthBefore = 0;
  #textsBefore = 0;

  constructor(request: Buffer, { metrics, types }: PlainMetricDeps) {
    this.#request = request;
    this.#reader = new WireReader(request);
    this.#metrics = metrics;
    this.#json = new JsonBytes(metrics.texts, request);
    this.#head = new JsonBytes(new Arena(HEAD_BYTES), request);
    this.#attributes = new PlainAttributes(this.#json);
    this.#rest = new OtlpMembers({ request, json: this.#json, types });
    this.#headMembers = new OtlpMembers({ request, json: this.#head, types });
    this.#point = new PointFields(request);
  }

  /**
   * Finds the points of the `Metric` in `[start, end)`, to be added before the next metric is read; `undefined` when it
   * is not plain. Throws on bytes that are no protobuf.
   * @param ties of the points, in their order
   */
  read(
    start: number,
    end: number,
    { metricService, source }: Surroundings,
    ties: readonly bigint[],
  ): MetricPoints | undefined {
    if (!this.#readMetric(start, end)) return undefined;
    if (this.#kind !== undefined) this.#readData();
    if (this.#points.length === 0) return this;
    this.#ties = ties;
    this.#origin = this.#metrics.origin(metricService, source);
    this.#lengthBefore = this.#metrics.length;
    this.#textsBefore = this.#metrics.texts.sizeBytes;
    this.#writeHead();
    this.#nameAt = this.#addText(this.#nameStart, this.#nameEnd);
    this.#unitAt = this.#addText(this.#unitStart, this.#unitEnd);
    return this;
  }

  /** Of the metric that was read last. */
  get count(): number {
    return this.#points.length / 2;
  }

  add(from: number, end: number): boolean {
    const metrics = this.#metrics;
    const kind = this.#kind as Kind;
    for (let index = from; index < end; index++) {
      const at = metrics.next();
      if (!this.#addPoint(at, kind, index)) {
        metrics.length = this.#lengthBefore;
        metrics.texts.sizeBytes = this.#textsBefore;
        return false;
      }
      const { words } = metrics;
      words[at + AT.name] = this.#nameAt;
      words[at + AT.name + 1] = this.#nameEnd - this.#nameStart;
      words[at + AT.unit] = this.#unitAt;
      words[at + AT.unit + 1] = this.#unitEnd - this.#unitStart;
      words[at + AT.metricType] = METRIC_TYPES.indexOf(kind);
      writeUint64(words, at + AT.tie, this.#ties[index] as bigint);
      words[at + ORIGIN_AT] = this.#origin;
      metrics.length++;
    }
    return true;
  }

  /** False when there is more than one kind of data, or what few exporters send. */
  #readMetric(start: number, end: number): boolean {
    const request = this.#request;
    const reader = this.#reader;
    this.#reset();
    for (let at = start; at < end; at = reader.fieldEnd) {
      reader.read(at, end);
      const { valueStart, fieldEnd } = reader;
      const tag = reader.field * 8 + reader.wireType;
      switch (tag) {
        case NAME:
          checkUtf8(request, valueStart, fieldEnd);
          this.#nameStart = valueStart;
          this.#nameEnd = fieldEnd;
          break;
        case DESCRIPTION:
          checkUtf8(request, valueStart, fieldEnd);
          this.#descriptionStart = valueStart;
          this.#descriptionEnd = fieldEnd;
          break;
        case UNIT:
          checkUtf8(request, valueStart, fieldEnd);
          this.#unitStart = valueStart;
          this.#unitEnd = fieldEnd;
          break;
        case GAUGE:
        case SUM:
        case HISTOGRAM:
          if (this.#kind !== undefined) return false;
          this.#kind = KINDS[tag];
          this.#dataStart = valueStart;
          this.#dataEnd = fieldEnd;
          break;
        case EXPONENTIAL_HISTOGRAM:
        case SUMMARY:
        case METADATA:
          return false;
        default:
      }
    }
    return true;
  }

  #readData(): void {
    const request = this.#request;
    const reader = this.#reader;
    const end = this.#dataEnd;
    for (let at = this.#dataStart; at < end; at = reader.fieldEnd) {
      reader.read(at, end);
      const { valueStart } = reader;
      switch (reader.field * 8 + reader.wireType) {
        case DATA_POINT:
          this.#points.push(valueStart, reader.fieldEnd);
          break;
        case AGGREGATION_TEMPORALITY:
          if (this.#kind !== 'gauge') this.#temporality = readVarint32(request, valueStart) | 0;
          break;
        case IS_MONOTONIC:
          if (this.#kind === 'sum') this.#isMonotonic = isTrue(request, valueStart);
          break;
        default:
      }
    }
  }

  /** As `decodeMetric` has it: the rest of the metric, and that of its data up to the one point. */
  #writeHead(): void {
    const head = this.#head;
    const members = this.#headMembers;
    head.arena.sizeBytes = 0;
    members.begin();
    members.string('"description":', this.#descriptionStart, this.#descriptionEnd);
    members.member(`"${this.#kind}":`);
    members.begin();
    members.integer('"aggregationTemporality":', this.#temporality);
    if (this.#isMonotonic) members.member('"isMonotonic":true');
    members.member('"dataPoints":[');
  }

  #addPoint(at: number, kind: Kind, index: number): boolean {
    const { words, texts } = this.#metrics;
    const point = this.#point;
    const attributes = this.#attributes;
    const start = texts.sizeBytes;
    attributes.begin();
    const isPlain = point.read(this.#points[2 * index] as number, this.#points[2 * index + 1] as number, {
      kind,
      attributes,
    });
    if (!isPlain) return false;
    attributes.finish();
    words[at + AT.attributes] = start;
    words[at + AT.attributes + 1] = texts.sizeBytes - start;
    point.writeTime(words, at + AT.timeNs);
    this.#metrics.set(at, 'value', point.value());
    this.#writeRest(words, at + AT.otlp);
    return true;
  }

  #writeRest(words: Int32Array, at: number): void {
    const { texts } = this.#metrics;
    const head = this.#head.arena;
    const rest = this.#rest;
    const start = texts.sizeBytes;
    texts.addRange(head.bytes, 0, head.sizeBytes);
    rest.begin();
    this.#point.writeRest(rest, this.#json);
    rest.attributes(this.#attributes.beyond);
    words[at] = start;
    if (rest.isEmpty() && this.#isKindAll()) {
      texts.sizeBytes = start;
      words[at + 1] = NO_TEXT;
    } else {
      rest.end();
      this.#json.ascii(']}}');
      words[at + 1] = texts.sizeBytes - start;
    }
  }

  /** Whether all there is to tell of the metric and its data is their kind. */
  #isKindAll(): boolean {
    return this.#descriptionStart === this.#descriptionEnd && this.#temporality === 0 && !this.#isMonotonic;
  }

  #addText(start: number, end: number): number {
    const { texts } = this.#metrics;
    const { sizeBytes } = texts;
    texts.addRange(this.#request, start, end);
    return sizeBytes;
  }

  #reset(): void {
    this.#nameStart = 0;
    this.#nameEnd = 0;
    this.#unitStart = 0;
    this.#unitEnd = 0;
    this.#descriptionStart = 0;
    this.#descriptionEnd = 0;
    this.#kind = undefined;
    this.#temporality = 0;
    this.#isMonotonic = false;
    this.#points.length = 0;
  }
}

/** Whether the varint at `at` is not 0. */
function isTrue(request: Buffer, at: number): boolean {
  let index = at;
  while (request[index] === 0x80) index++;
  return request[index] !== 0;
}
