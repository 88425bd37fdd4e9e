import type { Appender, ChunkRange } from './append.ts';
import type { HeldTexts } from './native-texts.ts';
import { NO_TEXT, SPAN_WORDS, type SpanList, type SpanOrigin } from './span-list.ts';
import type { Source } from './tables.ts';
import type { TraceOrder } from './trace-order.ts';
import type { Vector } from './vector.ts';

/** The spans of a commit. */
export interface SpansOfCommit {
  readonly commitNo: bigint;
  readonly lists: readonly SpanList[];
  readonly order: TraceOrder;
  /** Those, of all as they came, that others of the same commit replace. */
  readonly replaced: ReadonlySet<number>;
  readonly sourceIds: ReadonlyMap<Source, number>;
}

const SPANS = {
  table: 'spans',
  widthsBytes: [16, 2, 8, 8, 16, 16, 8, 8, 1, 1, 16, 16, 16, 16, 4, 8, 8],
};

const W = SPAN_WORDS;

/** The spans of one list, and where the texts of all of them are. */
interface HeldList {
  readonly words: Int32Array;
  readonly origins: readonly SpanOrigin[];
  readonly sourceIds: Int32Array;
  readonly texts: HeldTexts;
}

export async function appendSpans(appender: Appender, spans: SpansOfCommit): Promise<void> {
  const { lists, order } = spans;
  const places = placesOf(lists);
  let held: readonly HeldList[] | undefined;
  await appender.appendChunks(SPANS, order.arrivals.length, (vectors, range) => {
    held ??= lists.map(list => ({
      words: list.words,
      origins: list.origins,
      sourceIds: Int32Array.from(list.origins, ({ source }) => sourceId(spans.sourceIds, source)),
      texts: range.texts.hold(list.texts),
    }));
    fillSpans(vectors, range, { ...spans, held, places });
  });
}

export function sourceId(sourceIds: ReadonlyMap<Source, number>, source: Source): number {
  const id = sourceIds.get(source);
  if (id === undefined) throw new Error('a source has no number');
  return id;
}

/** Of every span as it came, in turn, the number of its list and where its words are there. */
function placesOf(lists: readonly SpanList[]): Int32Array {
  const places = new Int32Array(2 * lists.reduce((sum, list) => sum + list.length, 0));
  let at = 0;
  lists.forEach((list, number) => {
    for (let span = 0; span < list.length; span++) {
      places[at++] = number;
      places[at++] = span * W.count;
    }
  });
  return places;
}

interface Filling extends SpansOfCommit {
  readonly held: readonly HeldList[];
  readonly places: Int32Array;
}

function fillSpans(vectors: readonly Vector[], { start, end }: ChunkRange, filling: Filling): void {
  const { held, places, order, replaced, commitNo } = filling;
  const vector = (column: number) => vectors[column] as Vector;
  const words = (column: number) => new Int32Array(vector(column).buffer);
  const traceId = words(0);
  const slot = new Uint16Array(vector(1).buffer);
  const spanId = words(2);
  const parentSpanId = words(3);
  const service = words(4);
  const operation = words(5);
  const startNs = words(6);
  const durationNs = words(7);
  const status = new Uint8Array(vector(8).buffer);
  const kind = new Uint8Array(vector(9).buffer);
  const attributes = words(10);
  const events = words(11);
  const llm = words(12);
  const otlp = words(13);
  const source = words(14);
  const replacedAt = vector(16);
  new BigUint64Array(vector(15).buffer).fill(commitNo);
  new BigUint64Array(replacedAt.buffer).fill(commitNo);

  for (let row = 0; row < end - start; row++) {
    const arrival = order.arrivals[start + row] as number;
    const list = held[places[2 * arrival] as number] as HeldList;
    const from = list.words;
    const at = places[2 * arrival + 1] as number;
    const two = 2 * row;
    const four = 4 * row;
    traceId[four] = from[at + W.traceId] as number;
    traceId[four + 1] = from[at + W.traceId + 1] as number;
    traceId[four + 2] = from[at + W.traceId + 2] as number;
    traceId[four + 3] = from[at + W.traceId + 3] as number;
    slot[row] = from[at + W.slot] as number;
    spanId[two] = from[at + W.spanId] as number;
    spanId[two + 1] = from[at + W.spanId + 1] as number;
    parentSpanId[two] = from[at + W.parentSpanId] as number;
    parentSpanId[two + 1] = from[at + W.parentSpanId + 1] as number;
    startNs[two] = from[at + W.startNs] as number;
    startNs[two + 1] = from[at + W.startNs + 1] as number;
    durationNs[two] = from[at + W.durationNs] as number;
    durationNs[two + 1] = from[at + W.durationNs + 1] as number;
    status[row] = from[at + W.status] as number;
    kind[row] = from[at + W.kind] as number;
    const originNo = from[at + W.origin] as number;
    const { serviceStart, serviceBytes } = list.origins[originNo] as SpanOrigin;
    list.texts.writeString(service, four, serviceStart, serviceBytes);
    source[row] = list.sourceIds[originNo] as number;
    writeText(vector(5), operation, row, list, at + W.operation);
    writeText(vector(10), attributes, row, list, at + W.attributes);
    writeText(vector(11), events, row, list, at + W.events);
    writeText(vector(12), llm, row, list, at + W.llm);
    writeText(vector(13), otlp, row, list, at + W.otlp);
    if (!replaced.has(arrival)) replacedAt.setNull(row);
  }
}

function writeText(vector: Vector, target: Int32Array, row: number, list: HeldList, at: number): void {
  const sizeBytes = list.words[at + 1] as number;
  if (sizeBytes === NO_TEXT) vector.setNull(row);
  list.texts.writeString(target, 4 * row, list.words[at] as number, Math.max(0, sizeBytes));
}
