import { SpanList } from '../store/span-list.ts';
import { emptyRecords, type Records } from '../store/tables.ts';

/** Collects what one OTLP message turns into. */
export interface Sink {
  readonly records: Records & { readonly spans: SpanList };
  /** Counts a record that can never be stored; the reason completes "n × …". */
  reject(reason: string): void;
  rejections(): Rejections;
}

export type Rejections = ReadonlyMap<string, number>;

/** @param bodyBytes size of the message */
export function createSink(bodyBytes: number): Sink {
  const counts = new Map<string, number>();
  return {
    records: { ...emptyRecords(), spans: new SpanList(bodyBytes) },
    reject(reason) {
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
    },
    rejections: () => counts,
  };
}
