import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LogRecord, SpanRecord } from '../../../src/shard/store/tables.ts';
import { emptyRecords } from '../../../src/shard/store/tables.ts';
import { blobOf, logRecord, openTestStore, spanRecord, type TestStore } from '../../support/shard-store.ts';

let store: TestStore;

beforeEach(async () => {
  store = await openTestStore();
});

afterEach(() => store.remove());

/** Around the sizes that DuckDB keeps in a string itself, of one to four bytes a character. */
const TEXTS = [
  '',
  ...['x', 'ü', '→', '😀', '\0'].flatMap(unit => [1, 2, 3, 4, 5, 12, 13, 40].map(n => unit.repeat(n))),
];

function textAt(index: number): string {
  return `${TEXTS[index % TEXTS.length]}`;
}

function nullable(index: number, every: number): string | null {
  return index % every === 0 ? textAt(index) : null;
}

function span(index: number): SpanRecord {
  return spanRecord(1 + Math.floor(index / 3), 1 + index, {
    traceId: (BigInt(index) << 100n) + 1n,
    parentSpanId: 2n ** 64n - 1n - BigInt(index),
    service: index % 700 < 350 ? 'shop' : 'a service with a long name',
    operation: textAt(index),
    durationNs: index % 2 === 0 ? -BigInt(index) : 2n ** 62n + BigInt(index),
    status: (['unset', 'ok', 'error'] as const)[index % 3] ?? 'ok',
    kind: (['internal', 'server', 'client', 'producer', 'consumer', 'llm'] as const)[index % 6] ?? 'llm',
    attributes: JSON.stringify({ text: textAt(index) }),
    events: nullable(index, 10),
    llm: nullable(index, 1000),
    otlp: nullable(index, 2),
  });
}

async function rowsOf(columns: string, table: string): Promise<unknown[][]> {
  const connection = await store.database.connect();
  try {
    return (await connection.runAndReadAll(`SELECT ${columns} FROM store.${table} ORDER BY rowid`)).getRows();
  } finally {
    connection.closeSync();
  }
}

describe('rows over the border of a chunk', () => {
  it('are the spans that were stored', async () => {
    const spans = Array.from({ length: 5000 }, (_, index) => span(index));
    const slices = [spans.slice(0, 1), spans.slice(1, 2047), spans.slice(2047, 4100), [], spans.slice(4100)];
    // Again, for what the vectors of the first commit might leave behind.
    for (const id of ['one', 'two']) {
      const outcome = await store.writer.write({
        id,
        slices: slices.map(part => ({ exportId: undefined, records: { ...emptyRecords(), spans: part } })),
      });
      expect(outcome.kind).toBe('stored');
    }
    const expected = spans.map(record => [
      record.traceId,
      record.slot,
      record.spanId,
      record.parentSpanId,
      record.service,
      record.operation,
      record.startNs,
      record.durationNs,
      record.status,
      record.kind,
      record.attributes,
      record.events,
      record.llm,
      record.otlp,
    ]);
    const rows = await rowsOf(
      `trace_id, slot, span_id, parent_span_id, service, operation, start_ns, duration_ns, status::VARCHAR,
       kind::VARCHAR, attributes, events, llm, otlp`,
      'spans',
    );
    expect(rows).toEqual([...expected, ...expected]);
    expect(await store.values('SELECT DISTINCT commit_no FROM store.spans ORDER BY 1')).toEqual([1, 2]);
    expect(await store.values('SELECT count(*) FROM store.spans WHERE replaced_at IS NOT NULL')).toEqual([0]);
    expect(await store.values('SELECT repeats FROM store.trace_commits WHERE repeats')).toEqual([]);
  });

  it('are the log records that were stored', async () => {
    const logs = Array.from(
      { length: 4500 },
      (_, index): LogRecord =>
        logRecord(textAt(index), {
          timeNs: 2n ** 64n - 1n - BigInt(index),
          traceId: 2n ** 128n - 1n - BigInt(index),
          severity:
            (['unspecified', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const)[index % 7] ??
            'info',
          attributes: JSON.stringify({ text: textAt(index) }),
          otlp: nullable(index, 3),
        }),
    );
    await store.store({ logs });
    const rows = await rowsOf(
      'time_ns, trace_id, severity::VARCHAR, body, attributes, otlp, body_sha256',
      'logs',
    );
    expect(rows).toEqual(
      logs.map(log => [
        log.timeNs,
        log.traceId,
        log.severity,
        log.body,
        log.attributes,
        log.otlp,
        log.bodySha256,
      ]),
    );
  });
});

describe('blobs of more bytes than are appended at once', () => {
  it('are all stored, each once', async () => {
    const sizes = [
      0,
      1,
      12,
      13,
      3_000_000,
      9_000_000,
      10,
      ...Array.from({ length: 20 }, (_, i) => 1_000_000 + i),
    ];
    const blobs = sizes.map((sizeBytes, index) => blobOf(Buffer.alloc(sizeBytes, index)));
    await store.store({ blobs: [...blobs, ...blobs.slice(3, 9)] });
    const rows = await rowsOf('sha256, sha256(content), size_bytes', 'blobs');
    expect(rows).toEqual(blobs.map(({ sha256, content }) => [sha256, sha256, content.length]));
  });
});
