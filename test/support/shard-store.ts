import { createHash as createSha } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { type Database, openDatabase } from '../../src/shard/store/database.ts';
import { createDiskReserve } from '../../src/shard/store/disk-reserve.ts';
import { createMaintenance, type Maintenance } from '../../src/shard/store/maintenance.ts';
import {
  type Blob,
  type CommentRecord,
  emptyRecords,
  type LogRecord,
  type Records,
  type SpanRecord,
} from '../../src/shard/store/tables.ts';
import { createWriter, type Writer } from '../../src/shard/store/writer.ts';
import { WordSet } from '../../src/shard/word-set.ts';
import { createHash } from '../../src/shared/topology/hash.ts';

const hash = await createHash();

export const DAY_MS = 86_400_000;

interface StoreOptions {
  /** A new temporary folder when left out. */
  readonly dataDir?: string;
  readonly maxAgeMs?: number;
  readonly maxBytes?: number;
  readonly evalAgeMs?: number;
  readonly checkpointBytes?: number;
  readonly holdReadsMs?: number;
  readonly repeatWindowMs?: number;
  readonly batchMemoryMs?: number;
}

/** What a shard has behind its doors, on a temporary folder, with a clock that stands still until it is moved. */
export interface TestStore {
  readonly dataDir: string;
  readonly database: Database;
  readonly writer: Writer;
  readonly maintenance: Maintenance;
  nowMs(): number;
  advance(ms: number): void;
  /** Stores records in a commit of their own. */
  store(records: Partial<Records>): Promise<void>;
  /** The first column of what the query gives; UBIGINT as number. */
  values(sql: string): Promise<unknown[]>;
  /** Rows of a table. */
  count(table: string): Promise<number>;
  close(): Promise<void>;
  open(): Promise<void>;
  remove(): Promise<void>;
}

export async function openTestStore(options: StoreOptions = {}): Promise<TestStore> {
  const {
    dataDir = await mkdtemp(join(tmpdir(), 'otelfan-store-')),
    checkpointBytes,
    holdReadsMs,
    repeatWindowMs = 60_000,
    batchMemoryMs = 60_000,
    ...limits
  } = options;
  const threshold = checkpointBytes === undefined ? {} : { checkpointBytes };
  let nowMs = 1_700_000_000_000;
  const clock = { now: () => nowMs };
  const logger = pino({ level: 'silent' });
  let database: Database;
  let writer: Writer;
  let maintenance: Maintenance;
  const store: TestStore = {
    dataDir,
    get database() {
      return database;
    },
    get writer() {
      return writer;
    },
    get maintenance() {
      return maintenance;
    },
    nowMs: () => nowMs,
    advance(ms) {
      nowMs += ms;
    },
    async store(records) {
      const batch = {
        id: undefined,
        slices: [{ exportId: undefined, records: { ...emptyRecords(), ...records } }],
      };
      const outcome = await writer.write(batch);
      if (outcome.kind !== 'stored') throw new Error(outcome.reason);
    },
    async values(sql) {
      const connection = await database.connect();
      try {
        const rows = (await connection.runAndReadAll(sql)).getRows();
        return rows.map(([value]) => (typeof value === 'bigint' ? Number(value) : value));
      } finally {
        connection.closeSync();
      }
    },
    async count(table) {
      return Number((await store.values(`SELECT count(*) FROM store.${table}`))[0]);
    },
    async close() {
      await maintenance.stop();
      await writer.stop();
      await database.stop();
    },
    async open() {
      database = await openDatabase({
        dataDir,
        memoryLimitBytes: 256 * 1024 * 1024,
        threads: 1,
        openTimeoutMs: 1000,
        ...threshold,
      });
      const times = { repeatWindowMs, batchMemoryMs };
      const reserve = createDiskReserve({ database, minFreeBytes: 1024 * 1024, clock });
      writer = await createWriter({ database, clock, logger, refusal: reserve.refusal, ...times });
      maintenance = await createMaintenance({
        database,
        writer,
        reserve,
        limits: { maxAgeMs: 30 * DAY_MS, maxBytes: 2 ** 40, evalAgeMs: 365 * DAY_MS, ...limits },
        ...times,
        clock,
        logger,
        lookEveryMs: 20,
        ...(holdReadsMs !== undefined && { holdReadsMs }),
      });
    },
    async remove() {
      await store.close();
      await rm(dataDir, { recursive: true });
    },
  };
  await store.open();
  return store;
}

const SOURCE = { resource: '{"resource":{}}', scope: '{"scope":{}}' };

export function spanRecord(trace: number, span: number, changes: Partial<SpanRecord> = {}): SpanRecord {
  const traceId = BigInt(trace);
  const traceKey = hash.hash64(Buffer.from(traceId.toString(16).padStart(32, '0'), 'hex'));
  return {
    traceId,
    slot: Number(traceKey & 16_383n),
    traceKey,
    spanId: BigInt(span),
    parentSpanId: 0n,
    service: 'shop',
    operation: 'op',
    startNs: BigInt(span),
    durationNs: 1n,
    status: 'unset',
    kind: 'internal',
    attributes: '{}',
    events: null,
    llm: null,
    otlp: null,
    source: SOURCE,
    replaces: false,
    ...changes,
  };
}

export function logRecord(body: string, changes: Partial<LogRecord> = {}): LogRecord {
  return {
    timeNs: 1n,
    observedNs: 1n,
    traceId: 0n,
    spanId: 0n,
    severity: 'info',
    severityText: 'INFO',
    body,
    bodySha256: null,
    service: 'shop',
    attributes: '{}',
    otlp: null,
    source: SOURCE,
    tie: 1n,
    ...changes,
  };
}

export function wordsOf(text: string): WordSet {
  const words = new WordSet();
  words.addText(text);
  return words;
}

export function blobOf(from: string | Uint8Array, pinnedUntilMs: number | null = null): Blob {
  const content = Buffer.from(from);
  return { sha256: createSha('sha256').update(content).digest('hex'), content, pinnedUntilMs };
}

export function commentRecord(id: string, createdMs: number): CommentRecord {
  return {
    id,
    traceId: '01',
    spanId: null,
    author: 'ann',
    body: 'slow',
    createdNs: BigInt(createdMs) * 1_000_000n,
  };
}
