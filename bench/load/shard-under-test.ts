import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { shardFolder } from '../../src/cli/compose/components.ts';
import { startCli } from '../../test/support/cli.ts';
import { cpuSeconds } from '../../test/support/process-usage.ts';
import type { Holdings } from '../shaped/requests.ts';

const ID = 's0';

/** An `otelfan shard` as it is deployed. */
export interface ShardUnderTest {
  /** Base URLs of its OTLP door and its read API. */
  readonly otlp: string;
  readonly read: string;
  /** So far, all of its threads. */
  cpuSeconds(): number;
  /** Ends it as an operator does; what is not in the file's blocks yet is then. */
  stop(): Promise<void>;
}

interface Options {
  readonly dataDir: string;
  /** Folder for a CPU profile of the process, written when it ends. */
  readonly profileDir?: string | undefined;
}

export async function startShardUnderTest({ dataDir, profileDir }: Options): Promise<ShardUnderTest> {
  const args = ['shard', '--id', ID, '--data-dir', dataDir, '--otlp-port', '0', '--read-port', '0'];
  const profile = `--cpu-prof --cpu-prof-dir=${profileDir}`;
  const cli = await startCli(args, profileDir === undefined ? {} : { NODE_OPTIONS: profile });
  const { otlp = '', read = '' } = cli.addresses;
  return {
    otlp,
    read,
    cpuSeconds: () => cpuSeconds(cli.pid),
    async stop() {
      const exitCode = await cli.stop();
      if (exitCode !== 0) throw new Error(`the shard ended with ${exitCode}: ${cli.stderr()}`);
    },
  };
}

/** What a stopped shard has on disk. */
export interface Stored {
  readonly fileBytes: number;
  /** Blocks in use: what is free in the file is used before it grows. */
  readonly usedBytes: number;
  readonly commits: number;
  readonly holdings: Holdings;
}

const NOTHING: Stored = {
  fileBytes: 0,
  usedBytes: 0,
  commits: 0,
  holdings: { traces: 0, logs: 0, metrics: 0 },
};

export async function storedIn(dataDir: string): Promise<Stored> {
  const path = join(shardFolder(dataDir, ID), 'shard.duckdb');
  if (!existsSync(path)) return NOTHING;
  const instance = await DuckDBInstance.create(path, { access_mode: 'READ_ONLY' });
  const connection = await instance.connect();
  try {
    const [size] = (await connection.runAndReadAll('PRAGMA database_size')).getRowObjects();
    const counted = await connection.runAndReadAll(
      `SELECT count(*), (SELECT count(*) FROM store.spans), (SELECT count(*) FROM store.logs),
         (SELECT count(*) FROM store.metrics) FROM store.commits`,
    );
    const [commits = 0, traces = 0, logs = 0, metrics = 0] = counted.getRows()[0]?.map(Number) ?? [];
    return {
      fileBytes: statSync(path).size,
      usedBytes: Number(size?.used_blocks) * Number(size?.block_size),
      commits,
      holdings: { traces, logs, metrics },
    };
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
