import { existsSync } from 'node:fs';
import { open, rename, statfs } from 'node:fs/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import { type DataFolder, holdDataFolder, removeCopy, sizeOf, walOf } from './store/data-folder.ts';
import { firstLine, type InstanceOptions, openInstance, withConnection } from './store/instance.ts';
import { migrate } from './store/migrations.ts';
import { remedyOf } from './store/shortage.ts';
import { storeSize } from './store/store-size.ts';
import { UnusableDataError } from './store/unusable-data-error.ts';

export type CompactOutcome =
  | { readonly kind: 'compacted'; readonly beforeBytes: number; readonly afterBytes: number }
  /** Nothing was changed. */
  | { readonly kind: 'refused'; readonly reason: string };

export interface CompactOptions extends InstanceOptions {
  /** Of one shard. */
  readonly dataDir: string;
  /** Called with the share of the rows, 0 to 1, that are copied. */
  readonly onProgress: (share: number) => void;
}

/** What the copy may take over what the blocks in use take now. */
const ROOM_FACTOR = 1.1;
const ROOM_BYTES = 16 * 1024 * 1024;
/** Large tables whose rows are in the order of their commits are copied in parts of about so many rows. */
const PART_ROWS = 200_000;
const BY_COMMIT: ReadonlySet<string> = new Set(['spans', 'logs', 'metrics']);

/**
 * Copies the data of a shard that does not run into a new file, which takes the place of the old one once it is
 * whole and on the disk. DuckDB reuses free blocks, but a file only gets shorter when they are at its end.
 */
export async function compactFolder(options: CompactOptions): Promise<CompactOutcome> {
  let folder: DataFolder;
  try {
    folder = await holdDataFolder({ dataDir: options.dataDir, waitMs: 0 });
  } catch (error) {
    return { kind: 'refused', reason: firstLine(error) };
  }
  const { databasePath, compactedPath } = folder;
  try {
    if (!existsSync(databasePath)) return { kind: 'refused', reason: `there is no ${databasePath}` };
    const beforeBytes = (await sizeOf(databasePath)) + (await sizeOf(walOf(databasePath)));
    const refusal = await writeCopy(folder, options);
    if (refusal !== undefined) return { kind: 'refused', reason: refusal };
    if (existsSync(walOf(databasePath)) || existsSync(walOf(compactedPath))) {
      return { kind: 'refused', reason: `${databasePath} could not be closed: its WAL is still there` };
    }
    await sync(compactedPath);
    await rename(compactedPath, databasePath);
    await sync(folder.dir);
    return { kind: 'compacted', beforeBytes, afterBytes: await sizeOf(databasePath) };
  } catch (error) {
    if (error instanceof UnusableDataError) return { kind: 'refused', reason: error.message };
    const remedy = remedyOf(error);
    if (remedy === undefined) throw error;
    return { kind: 'refused', reason: `${firstLine(error)}; ${remedy}` };
  } finally {
    await removeCopy(folder).finally(folder.release);
  }
}

/** Why the copy was not written; `undefined` when it is whole. */
async function writeCopy(
  { databasePath, compactedPath, dir }: DataFolder,
  options: CompactOptions,
): Promise<string | undefined> {
  const source = await openInstance(databasePath, options);
  try {
    return await withConnection(source, async connection => {
      await migrate(connection, databasePath);
      await connection.run('CHECKPOINT');
      const needBytes = (await storeSize(connection)).usedBytes * ROOM_FACTOR + ROOM_BYTES;
      const { bavail, bsize } = await statfs(dir);
      if (bavail * bsize < needBytes) {
        return `its disk has ${bavail * bsize} bytes free, and the copy may need ${Math.ceil(needBytes)}`;
      }
      const target = await openInstance(compactedPath, options);
      await withConnection(target, empty => migrate(empty, compactedPath)).finally(() => target.closeSync());
      await connection.run(`ATTACH '${quoted(compactedPath)}' AS compacted (STORAGE_VERSION 'latest')`);
      await copyTables(connection, options.onProgress);
      await connection.run('CHECKPOINT compacted');
      await connection.run('DETACH compacted');
      return undefined;
    });
  } finally {
    source.closeSync();
  }
}

/** Rows keep their order: it is that of their commits, and within a commit that of their storage. */
async function copyTables(
  connection: DuckDBConnection,
  onProgress: CompactOptions['onProgress'],
): Promise<void> {
  const tables = await countRows(connection, 'current_database()');
  const total = [...tables.values()].reduce((sum, rows) => sum + rows, 0);
  let copied = 0;
  for (const [table, rows] of tables) {
    const parts = BY_COMMIT.has(table)
      ? await commitRanges(connection, Math.ceil(rows / PART_ROWS))
      : ['true'];
    for (const part of parts) {
      onProgress(copied / Math.max(1, total));
      await connection.run(
        `INSERT INTO compacted.store."${table}" SELECT * FROM store."${table}" WHERE ${part}`,
      );
      copied += rows / parts.length;
    }
  }
  for (const [table, rows] of await countRows(connection, "'compacted'")) {
    if (tables.get(table) !== rows) throw new Error(`the copy of ${table} has ${rows} rows`);
  }
}

/** Conditions on `commit_no` that select every row once, in the order of the commits. */
async function commitRanges(connection: DuckDBConnection, count: number): Promise<string[]> {
  if (count < 2) return ['true'];
  const result = await connection.runAndReadAll(
    'SELECT floor_commit, (last_commit - floor_commit)::UBIGINT FROM store.shard_state',
  );
  const [floor, commits] = result.getRows()[0] as [bigint, bigint];
  const bounds = Array.from(
    { length: count - 1 },
    (_, part) => floor + (commits * BigInt(part + 1)) / BigInt(count),
  );
  return [
    `commit_no <= ${bounds[0]}`,
    ...bounds.slice(1).map((bound, part) => `commit_no > ${bounds[part]} AND commit_no <= ${bound}`),
    `commit_no > ${bounds.at(-1)}`,
  ];
}

async function countRows(connection: DuckDBConnection, database: string): Promise<Map<string, number>> {
  const tables = await connection.runAndReadAll(
    `SELECT database_name, table_name FROM duckdb_tables()
     WHERE schema_name = 'store' AND database_name = ${database} ORDER BY table_name`,
  );
  const counts = new Map<string, number>();
  for (const [name, table] of tables.getRows() as [string, string][]) {
    const result = await connection.runAndReadAll(`SELECT count(*) FROM "${name}".store."${table}"`);
    counts.set(table, Number(result.getRows()[0]?.[0]));
  }
  return counts;
}

function quoted(text: string): string {
  return text.replaceAll("'", "''");
}

/** A renamed file is only there after a power cut once its folder is synced, too. */
async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
