import type { DuckDBConnection } from '@duckdb/node-api';
import { parseRead } from '../../src/shard/reads/call.ts';
import { createReader, type Reader, type ReaderDeps } from '../../src/shard/reads/reader.ts';
import type { ShardReadName, ShardReadRequest } from '../../src/shared/read/contract.ts';
import { createHash } from '../../src/shared/topology/hash.ts';
import { NO_WRITER } from './read-shards.ts';
import type { TestStore } from './shard-store.ts';

const INDEX_BYTES = 16 * 1024 * 1024;

/** A reader of a store, and of its writer when that is given, that shows what it asks of DuckDB. */
export interface WatchedReader {
  readonly reader: Reader;
  /** The statements so far. */
  readonly asked: string[];
  /** Trips to another thread that they took: preparing and running are one each, and so is taking statements apart. */
  trips: number;
  /** The lines of an answer. */
  read<N extends ShardReadName>(name: N, request: ShardReadRequest<N>): Promise<readonly string[]>;
}

export async function watchedReader(
  { database, writer = NO_WRITER }: Pick<TestStore, 'database'> & { readonly writer?: ReaderDeps['writer'] },
  { maxRows = 1000 } = {},
): Promise<WatchedReader> {
  const connect = async () => watch(await database.connect());
  const caps = { maxRows, maxBytes: maxRows * 1000 };
  const reader = createReader({
    database: { ...database, connect },
    hash: await createHash(),
    caps,
    writer,
    indexBytes: INDEX_BYTES,
  });
  const watched: WatchedReader = {
    reader,
    asked: [],
    trips: 0,
    async read(name, request) {
      const call = parseRead(name, request);
      if (call.kind === 'refused') throw new Error(call.message);
      const answer = await reader.read(call.value, new AbortController().signal);
      if (answer.kind === 'gone') throw new Error(answer.reason);
      return [...answer.lines];
    },
  };
  return watched;

  function watch(connection: DuckDBConnection): DuckDBConnection {
    const run = connection.run.bind(connection);
    const prepare = connection.prepare.bind(connection);
    connection.run = (sql, ...parameters) => {
      watched.asked.push(sql);
      watched.trips += parameters[0] === undefined ? 1 : 3;
      return run(sql, ...parameters);
    };
    connection.prepare = sql => {
      watched.asked.push(sql);
      watched.trips += 2;
      return prepare(sql);
    };
    return connection;
  }
}
