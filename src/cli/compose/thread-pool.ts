import type { Config } from '../../shared/config/schema.ts';

/** An SQL query and the watch over its memory, the writer, retention. */
const FURTHER_QUERIES = 4;
/** For file access, which must not wait behind queries. */
const SPARE_THREADS = 8;

/**
 * Makes libuv's thread pool of this process large enough: DuckDB holds one of its threads for as long as a query runs.
 * The pool takes its size from the environment when it is first used, so this comes before DuckDB is even loaded.
 */
export function sizeThreadPool({ maxConcurrentReads }: Config['shard'], env: NodeJS.ProcessEnv): void {
  const needed = maxConcurrentReads + FURTHER_QUERIES + SPARE_THREADS;
  env.UV_THREADPOOL_SIZE = String(Math.max(needed, Number(env.UV_THREADPOOL_SIZE) || 0));
}
