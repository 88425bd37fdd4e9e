import type { WordSet } from '../word-set.ts';
import type { AppendedTable, Appender } from './append.ts';
import { appendWords } from './append-words.ts';
import { ubigint, uhugeint, varchar } from './columns.ts';
import { appendPacked, type CommitColumn, placesOf } from './packed/append.ts';
import type { PackedList } from './packed/list.ts';
import { LOGS, METRICS, SPANS } from './packed/tables.ts';
import type { CommentRecord, LogRecord, MetricRecord, Source, SpanRecord, SpanWord } from './tables.ts';
import { orderByTrace, type TracesOfCommit } from './trace-order.ts';
import type { Vector } from './vector.ts';

/** What a commit stores, and what it knows of it. */
export interface RowsOfCommit {
  readonly commitNo: bigint;
  readonly sourceIds: ReadonlyMap<Source, number>;
  readonly spans: readonly PackedList<SpanRecord>[];
  /** Those of all spans as they came that others of the same commit replace. */
  readonly replaced: ReadonlySet<number>;
  readonly logs: readonly PackedList<LogRecord>[];
  readonly metrics: readonly PackedList<MetricRecord>[];
  readonly comments: readonly CommentRecord[];
  readonly spanWords: readonly SpanWord[];
  readonly logWords: WordSet;
}

/** The traces that have spans among the rows. */
export async function appendRecords(appender: Appender, rows: RowsOfCommit): Promise<TracesOfCommit> {
  const { logs, metrics, sourceIds } = rows;
  const columns = [commitColumn(rows)];
  const traces = await appendSpans(appender, rows);
  await appendPacked(appender, LOGS, { lists: logs, places: placesOf(logs), sourceIds, columns });
  await appendPacked(appender, METRICS, { lists: metrics, places: placesOf(metrics), sourceIds, columns });
  await appender.append(commentsTable(rows), rows.comments);
  await appender.append(spanWordsTable(rows), rows.spanWords);
  await appendWords(appender, rows.logWords, commitColumn(rows));
  return traces;
}

async function appendSpans(appender: Appender, rows: RowsOfCommit): Promise<TracesOfCommit> {
  const { spans, sourceIds } = rows;
  const { arrivals, traces } = orderByTrace(spans);
  const came = placesOf(spans);
  const places = new Int32Array(came.length);
  for (let row = 0; row < arrivals.length; row++) {
    const arrival = arrivals[row] as number;
    places[2 * row] = came[2 * arrival] as number;
    places[2 * row + 1] = came[2 * arrival + 1] as number;
  }
  const columns = [commitColumn(rows), replacedColumn(rows, arrivals)];
  await appendPacked(appender, SPANS, { lists: spans, places, sourceIds, columns });
  await appendTraces(appender, traces, rows);
  return traces;
}

function commitColumn({ commitNo }: Pick<RowsOfCommit, 'commitNo'>): CommitColumn {
  return {
    widthBytes: 8,
    fill({ buffer }) {
      new BigUint64Array(buffer).fill(commitNo);
    },
  };
}

/** Of a span that another of the same commit replaces, this commit. */
function replacedColumn(rows: RowsOfCommit, arrivals: Int32Array): CommitColumn {
  const commit = commitColumn(rows);
  return {
    widthBytes: commit.widthBytes,
    fill(vector, { start, end }) {
      commit.fill(vector, { start, end });
      for (let row = start; row < end; row++)
        if (!rows.replaced.has(arrivals[row] as number)) vector.setNull(row - start);
    },
  };
}

async function appendTraces(appender: Appender, traces: TracesOfCommit, rows: RowsOfCommit): Promise<void> {
  const commit = commitColumn(rows);
  const shape = { table: 'trace_commits', widthsBytes: [8, commit.widthBytes, 1] };
  await appender.appendChunks(shape, traces.count, (vectors, range) => {
    const [keys, commits, repeats] = vectors as [Vector, Vector, Vector];
    const { start, end } = range;
    new Int32Array(keys.buffer).set(traces.keys.subarray(2 * start, 2 * end));
    commit.fill(commits, range);
    new Uint8Array(repeats.buffer).set(traces.repeats.subarray(start, end));
  });
}

function commentsTable({ commitNo }: RowsOfCommit): AppendedTable<CommentRecord> {
  return {
    table: 'comments',
    columns: [
      varchar(comment => comment.id),
      varchar(comment => comment.traceId),
      varchar(comment => comment.spanId),
      varchar(comment => comment.author),
      varchar(comment => comment.body),
      ubigint(comment => comment.createdNs),
      ubigint(() => commitNo),
    ],
  };
}

function spanWordsTable({ commitNo }: RowsOfCommit): AppendedTable<SpanWord> {
  return {
    table: 'span_words',
    columns: [varchar(({ word }) => word), uhugeint(({ traceId }) => traceId), ubigint(() => commitNo)],
  };
}
