import { createHash } from 'node:crypto';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { AppendedTable, Appender } from './append.ts';
import { bigint, uhugeint } from './columns.ts';
import { loadRecentIds } from './recent-ids.ts';

/*
 * Ids that repeats are recognised by, looked up first and then appended: one connection does all the writing, so nobody
 * comes between the two. They are kept as 128-bit numbers and without an index: with one, deleting ten thousand of
 * them takes DuckDB seconds, for which ingest would wait, and it never gives their space back. The last of them are in
 * memory too, so that hardly a commit has to ask the table. When one has to, most of the table is skipped: batch ids
 * begin with their time (UUIDv7), and export ids are remembered for minutes.
 */

type Table = 'batch_ids' | 'export_ids';

export interface SeenIds {
  /** Stores ids in the running transaction, as far as they are not known. */
  remember(appender: Appender, remembering: Remembering): Promise<Remembered>;
}

interface Remembering {
  /** May be given twice. */
  readonly ids: readonly string[];
  readonly nowMs: number;
  /** What was stored then or before is not known any more. */
  readonly expiredMs: number;
}

export interface Remembered {
  /** The ids that were not known. */
  readonly fresh: Set<string>;
  /** To be called once the transaction is committed: until then the ids are not known. */
  commit(): void;
}

export async function loadSeenIds(
  connection: DuckDBConnection,
  table: Table,
  maxRecent?: number,
): Promise<SeenIds> {
  const recent = await loadRecentIds(connection, table, maxRecent);
  return {
    async remember(appender, { ids, nowMs, expiredMs }) {
      const fresh = new Map(ids.map(id => [numberOf(id), id]));
      const unsure: bigint[] = [];
      for (const number of fresh.keys()) {
        const knows = recent.knows(number, expiredMs);
        if (knows === 'seen') fresh.delete(number);
        if (knows === 'unsure') unsure.push(number);
      }
      for (const number of await seenOf(connection, table, unsure, expiredMs)) fresh.delete(number);
      const numbers = [...fresh.keys()];
      await appender.append(idTable(table, nowMs), numbers);
      return {
        fresh: new Set(fresh.values()),
        commit: () => recent.add(numbers, nowMs, expiredMs),
      };
    },
  };
}

async function seenOf(
  connection: DuckDBConnection,
  table: Table,
  numbers: readonly bigint[],
  expiredMs: number,
): Promise<readonly bigint[]> {
  if (numbers.length === 0) return [];
  // Literals, because DuckDB skips what cannot have one of them.
  const literals = numbers.map(number => `${number}::UHUGEINT`).join(', ');
  const seen = await connection.runAndReadAll(
    `SELECT id FROM store.${table} WHERE id IN (${literals}) AND stored_at_ms > ${expiredMs}`,
  );
  return seen.getRows().map(([number]) => number as bigint);
}

function idTable(table: Table, nowMs: number): AppendedTable<bigint> {
  const storedAtMs = BigInt(nowMs);
  return { table, columns: [uhugeint(number => number), bigint(() => storedAtMs)] };
}

/** Deletes the ids that were stored at that time or before. */
export async function forgetIds(
  connection: DuckDBConnection,
  table: Table,
  throughMs: number,
): Promise<void> {
  await connection.run(`DELETE FROM store.${table} WHERE stored_at_ms <= ${throughMs}`);
}

const UUID_OR_HEX = /^[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}$/;

/** Digits of 112 bits: as a UUIDv7 such a number would be of 1970. */
const HASH_DIGITS = 28;

/**
 * UUIDs and 32 hex digits are the number that they are, in their order. Anything else (a part of a batch, a write) is
 * hashed to one that comes before them, as those that come last are known without asking.
 */
function numberOf(id: string): bigint {
  const hex = UUID_OR_HEX.test(id)
    ? id.replaceAll('-', '')
    : createHash('sha256').update(id).digest('hex').slice(0, HASH_DIGITS);
  return BigInt(`0x${hex}`);
}
