import type { DuckDBConnection } from '@duckdb/node-api';
import { createForgetfulMap } from '../forgetful-map.ts';
import type { Source } from '../store/tables.ts';
import { query } from './query.ts';

/** The sources that rows name by number. */
export interface KnownSources {
  /** Those of some numbers. To be asked in the transaction of the rows: nothing can delete them there. */
  of(connection: DuckDBConnection, ids: ReadonlySet<number>): Promise<ReadonlyMap<number, Source>>;
}

const MAX_CHARS = 8 * 1024 * 1024;

/** Remembers the sources: nearly every row names one of few, and a process gives a number to one source alone. */
export function createKnownSources({ maxChars = MAX_CHARS } = {}): KnownSources {
  const known = createForgetfulMap<number, Source>(maxChars);
  return {
    async of(connection, ids) {
      const sources = new Map<number, Source>();
      const unknown: number[] = [];
      for (const id of ids) {
        const source = known.get(id);
        if (source === undefined) unknown.push(id);
        else sources.set(id, source);
      }
      if (unknown.length === 0) return sources;
      const found = await query(
        connection,
        `SELECT id, resource, scope FROM store.sources WHERE id IN (${unknown.join(', ')})`,
      );
      for (const [id, resource, scope] of found.rows() as Iterable<[number, string, string]>) {
        const source = { resource, scope };
        sources.set(id, source);
        known.add(id, source, resource.length + scope.length);
      }
      return sources;
    },
  };
}
