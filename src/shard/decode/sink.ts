import type { BufferPool } from '../../shared/buffer-pool.ts';
import { PackedList } from '../store/packed/list.ts';
import { LOGS, METRICS, SPANS } from '../store/packed/tables.ts';
import {
  emptyRecords,
  type LogRecord,
  type MetricRecord,
  type Records,
  type SpanRecord,
} from '../store/tables.ts';
import { WordSet } from '../word-set.ts';

/** Collects what one OTLP message turns into. */
export interface Sink {
  readonly records: PackedRecords;
  /** Counts a record that can never be stored; the reason completes "n × …". */
  reject(reason: string): void;
  rejections(): Rejections;
}

export interface PackedRecords extends Records {
  readonly spans: PackedList<SpanRecord>;
  readonly logs: PackedList<LogRecord>;
  readonly metrics: PackedList<MetricRecord>;
}

export type Rejections = ReadonlyMap<string, number>;

interface SinkOptions {
  /** Of the message. */
  readonly sizeBytes: number;
  /** Where the memory of the records comes from and goes to. */
  readonly buffers: BufferPool;
}

export function createSink({ sizeBytes, buffers }: SinkOptions): Sink {
  const counts = new Map<string, number>();
  const room = { expectedBytes: sizeBytes, buffers };
  return {
    records: {
      ...emptyRecords(),
      spans: new PackedList(SPANS, room),
      logs: new PackedList(LOGS, room),
      metrics: new PackedList(METRICS, room),
      logWords: new WordSet(buffers),
    },
    reject(reason) {
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
    },
    rejections: () => counts,
  };
}

/** Gives the memory of the records back: nobody may look at them any more. */
export function releaseRecords({ spans, logs, metrics, logWords }: PackedRecords): void {
  for (const each of [spans, logs, metrics, logWords]) each.release();
}
