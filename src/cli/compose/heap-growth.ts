import { setFlagsFromString } from 'node:v8';

/**
 * Lets V8's heap grow to four times what is alive in it before all of it is collected. Most of a shard's memory is
 * request bodies and texts on their way to DuckDB, outside of the heap, which V8 counts as well: with little alive
 * it otherwise goes through the whole heap every few requests, which costs a third of what storing them does. To be
 * called before the process has done much.
 */
export function letHeapGrow(): void {
  // A flag of V8's own: another Node may not know it, and would say so on stderr.
  if (process.versions.node.startsWith('24.')) setFlagsFromString('--heap-growing-percent=300');
}
