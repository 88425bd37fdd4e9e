import { type DuckDBConnection, LIST, listValue, UINTEGER, VARCHAR } from '@duckdb/node-api';
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
const MAX_KNOWN = 20_000;

/** @param before what was known until now, if anything was */
export async function loadSources(
  connection: DuckDBConnection,
  before?: Pick<Sources, 'nextId'>,
): Promise<Sources> {
  const known = new Map<string, number>();
  const result = await connection.runAndReadAll(
    `SELECT id, resource, scope FROM store.sources ORDER BY id DESC LIMIT ${MAX_KNOWN}`,
  );
  let nextId = before?.nextId ?? 1;
  for (const [id, resource, scope] of result.getRows() as [number, string, string][]) {
    nextId = Math.max(nextId, id + 1);
    known.set(keyOf({ resource, scope }), id);
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
          if (known.size + fresh.size > MAX_KNOWN) known.clear();
          for (const [key, id] of fresh) known.set(key, id);
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
