import { type DuckDBConnection, LIST, listValue, UINTEGER, VARCHAR } from '@duckdb/node-api';
import { createForgetfulMap, ENTRY_CHARS } from '../forgetful-map.ts';
import type { Source } from './tables.ts';

/**
 * The sources that rows name by number. One that has been forgotten is stored again under another number, which
 * costs its bytes and nothing else. As long as a process runs no number goes to another source, although retention
 * deletes some: readers remember them.
 */
export interface Sources {
  /** What the next one that is stored gets at least. */
  readonly nextId: number;
  /** Numbers the sources; those not known yet are stored in the running transaction. */
  resolve(connection: DuckDBConnection, sources: Iterable<Source>): Promise<ResolvedSources>;
}

export interface ResolvedSources {
  readonly ids: ReadonlyMap<Source, number>;
  /** To be called once the transaction is committed: until then nobody else may use the new numbers. */
  remember(): void;
}

/** Bounds the memory that resources without end (a process id in each, say) may take. */
const MAX_CHARS = 32 * 1024 * 1024;
/** Of those that are loaded, which are the last ones. */
const LOADED_SHARE = 1 / 2;

/** @param before what was known until now, if anything was */
export async function loadSources(
  connection: DuckDBConnection,
  before?: Pick<Sources, 'nextId'>,
  maxChars = MAX_CHARS,
): Promise<Sources> {
  const known = createForgetfulMap<string, number>(maxChars);
  const last = await connection.runAndReadAll('SELECT coalesce(max(id), 0) FROM store.sources');
  const loaded = await connection.runAndReadAll(
    `SELECT id, resource, scope FROM store.sources
     QUALIFY sum(strlen(resource) + strlen(scope) + ${ENTRY_CHARS}) OVER (ORDER BY id DESC) <= ${maxChars * LOADED_SHARE}`,
  );
  let nextId = Math.max(before?.nextId ?? 1, Number(last.getRows()[0]?.[0]) + 1);
  for (const [id, resource, scope] of loaded.getRows() as [number, string, string][]) {
    const key = keyOf({ resource, scope });
    known.add(key, id, key.length);
  }
  return {
    get nextId() {
      return nextId;
    },
    async resolve(connection, sources) {
      const ids = new Map<Source, number>();
      const fresh = new Map<string, number>();
      const added: { readonly id: number; readonly source: Source }[] = [];
      for (const source of sources) {
        if (ids.has(source)) continue;
        const key = keyOf(source);
        let id = known.get(key) ?? fresh.get(key);
        if (id === undefined) {
          id = nextId + fresh.size;
          fresh.set(key, id);
          added.push({ id, source });
        }
        ids.set(source, id);
      }
      if (added.length > 0) await insert(connection, added);
      return {
        ids,
        remember() {
          for (const [key, id] of fresh) known.add(key, id, key.length);
          nextId += fresh.size;
        },
      };
    },
  };
}

/** Neither text has a line break: both are JSON. */
function keyOf({ resource, scope }: Source): string {
  return `${resource}\n${scope}`;
}

async function insert(
  connection: DuckDBConnection,
  added: readonly { readonly id: number; readonly source: Source }[],
): Promise<void> {
  await connection.run(
    'INSERT INTO store.sources SELECT unnest($ids), unnest($resources), unnest($scopes)',
    {
      ids: listValue(added.map(({ id }) => id)),
      resources: listValue(added.map(({ source }) => source.resource)),
      scopes: listValue(added.map(({ source }) => source.scope)),
    },
    { ids: LIST(UINTEGER), resources: LIST(VARCHAR), scopes: LIST(VARCHAR) },
  );
}
