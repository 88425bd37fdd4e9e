import { emptyRecords, type Records } from '../store/tables.ts';

/** Collects what one OTLP message turns into. */
export interface Sink {
  readonly records: Records;
  /** Counts a record that can never be stored; the reason completes "n × …". */
  reject(reason: string): void;
  rejections(): Rejections;
}

export type Rejections = ReadonlyMap<string, number>;

export function createSink(): Sink {
  const counts = new Map<string, number>();
  return {
    records: emptyRecords(),
    reject(reason) {
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
    },
    rejections: () => counts,
  };
}
