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
 *
 * What was cut comes in parts, and may come whole as well. Its parts leave a mark for each id that they were cut from,
 * which is a number of its own in the same table: by it the whole is known to be there in part.
 */

type Table = 'batch_ids' | 'export_ids';

/** Of something whole, or of a part, with the ids that it was cut from. */
interface SeenName {
  readonly id: string;
  readonly cutFrom?: readonly string[] | undefined;
}

export interface SeenIds {
  /** Looks up names, which may be given twice, before the running transaction adds those that are new. */
  look(names: readonly SeenName[], times: LookTimes): Promise<Look>;
}

interface LookTimes {
  readonly nowMs: number;
  /** What was stored then or before is not known any more. */
  readonly expiredMs: number;
}

/** All of it is known, by itself or as a part of what is; some of its parts are; nothing of it is. */
type Seen = 'all' | 'partly' | 'nothing';

export interface Look {
  /** What is known of one of the names, with those that were added. */
  seen(name: SeenName): Seen;
  add(name: SeenName): void;
  /** Stores what was added in the running transaction. */
  store(appender: Appender): Promise<void>;
  /** To be called once the transaction is committed: until then what was added is not known to other looks. */
  commit(): void;
}

export async function loadSeenIds(
  connection: DuckDBConnection,
  table: Table,
  maxRecent?: number,
): Promise<SeenIds> {
  const recent = await loadRecentIds(connection, table, maxRecent);
  return {
    async look(names, { nowMs, expiredMs }) {
      const numbers = new Map<string, bigint>();
      for (const { id, cutFrom = [] } of names) {
        for (const each of [id, ...cutFrom]) if (!numbers.has(each)) numbers.set(each, numberOf(each));
      }
      const known = new Set<bigint>();
      const unsure: bigint[] = [];
      for (const whole of numbers.values()) {
        for (const number of [whole, markOf(whole)]) {
          const knows = recent.knows(number, expiredMs);
          if (knows === 'seen') known.add(number);
          if (knows === 'unsure') unsure.push(number);
        }
      }
      for (const number of await seenOf(connection, table, unsure, expiredMs)) known.add(number);
      const added = new Set<bigint>();
      const isKnown = (number: bigint) => known.has(number) || added.has(number);
      const wholeOf = (id: string) => numbers.get(id) as bigint;
      return {
        seen({ id, cutFrom = [] }) {
          if (isKnown(wholeOf(id)) || cutFrom.some(from => isKnown(wholeOf(from)))) return 'all';
          return isKnown(markOf(wholeOf(id))) ? 'partly' : 'nothing';
        },
        add({ id, cutFrom = [] }) {
          added.add(wholeOf(id));
          // Anew with each part, so that the last is not remembered for longer than its mark.
          for (const from of cutFrom) added.add(markOf(wholeOf(from)));
        },
        store: appender => appender.append(idTable(table, nowMs), [...added]),
        commit: () => recent.add([...added], nowMs, expiredMs),
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

/** The version of a UUID, so that a mark is about as large as its id: what is large is known to be new without asking. */
const MARK = 0xfn << 76n;

/** The number of the mark that parts leave for what they were cut from. */
function markOf(number: bigint): bigint {
  return number ^ MARK;
}
