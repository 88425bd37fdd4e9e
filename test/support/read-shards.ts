import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { parseRead } from '../../src/shard/reads/call.ts';
import { createReader, type Reader, type ReaderDeps } from '../../src/shard/reads/reader.ts';
import { type Database, openDatabase } from '../../src/shard/store/database.ts';
import type { ShardReadName, ShardReadRequest } from '../../src/shared/read/contract.ts';
import { createHash } from '../../src/shared/topology/hash.ts';
import { parseAnswer, type ReadAnswer } from './test-shard.ts';

/** The database and the reads of a shard, without its doors and its writer. */
export interface ReadTestShard {
  readonly database: Database;
  readonly connection: DuckDBConnection;
  readonly reader: Reader;
  /** As after a start: what earlier reads have kept is gone. */
  forget(): void;
  read<N extends ShardReadName>(name: N, request: ShardReadRequest<N>): Promise<ReadAnswer>;
  remove(): Promise<void>;
}

export async function openReaders(count: number): Promise<readonly ReadTestShard[]> {
  return Promise.all(Array.from({ length: count }, () => openReader()));
}

/** Of which nothing is known, so that the database is asked. */
export const NO_WRITER: ReaderDeps['writer'] = {
  position: () => undefined,
  onCommit: () => undefined,
  onDeletion: () => undefined,
};

const MIB = 1024 * 1024;

interface ReaderOptions {
  readonly memoryLimitBytes?: number;
  /** Run before with memory enough. */
  readonly fill?: readonly string[];
}

export async function openReader(options: ReaderOptions = {}): Promise<ReadTestShard> {
  const { memoryLimitBytes = 256 * MIB, fill = [] } = options;
  const dataDir = await mkdtemp(join(tmpdir(), 'otelfan-reads-'));
  const place = { dataDir, threads: 1, openTimeoutMs: 1000 };
  if (fill.length > 0) {
    const roomy = await openDatabase({ ...place, memoryLimitBytes: 512 * MIB });
    const filling = await roomy.connect();
    for (const sql of fill) await filling.run(sql);
    filling.closeSync();
    await roomy.stop();
  }
  const database = await openDatabase({ ...place, memoryLimitBytes });
  const connection = await database.connect();
  const caps = { maxRows: 1_000_000, maxBytes: 1024 ** 3 };
  const hash = await createHash();
  const deps = { database, hash, caps, writer: NO_WRITER, indexBytes: 16 * MIB };
  let reader = createReader(deps);
  return {
    database,
    connection,
    get reader() {
      return reader;
    },
    forget() {
      reader = createReader(deps);
    },
    async read(name, request) {
      const call = parseRead(name, request);
      if (call.kind === 'refused') throw new Error(call.message);
      const answer = await reader.read(call.value, new AbortController().signal);
      if (answer.kind === 'gone') throw new Error(answer.reason);
      return parseAnswer([...answer.lines].join(''));
    },
    async remove() {
      connection.closeSync();
      await database.stop();
      await rm(dataDir, { recursive: true });
    },
  };
}
