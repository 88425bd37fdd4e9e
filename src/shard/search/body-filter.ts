import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import { createTextMatch, parseTextQuery, type TextQuery } from '../../shared/text/text-query.ts';
import { allOf, type Parameters } from '../reads/where.ts';
import { blobTexts } from './blob-texts.ts';
import { mayHold } from './superset.ts';

/** The body of a log record: here, or kept as a blob. */
export interface Body {
  readonly body: string;
  readonly sha256: string | null;
}

/** What a search asks of bodies. */
export interface BodySearch {
  readonly contains: string | undefined;
  readonly text: TextQuery | undefined;
}

/** Half of a surrogate pair stands in no stored text, nor in what DuckDB makes of it; this is what it compares. */
export function bodySearch(contains: string | undefined, text: string | undefined): BodySearch {
  return {
    contains: contains?.toWellFormed(),
    text: text === undefined ? undefined : parseTextQuery(text),
  };
}

/** Holds for every row of `store.logs` whose body matches, and for others, which only {@link matchingBodies} tells. */
export function bodyCondition(search: BodySearch, parameters: Parameters): string {
  return `body_sha256 IS NOT NULL OR (${textCondition(search, 'body', parameters)})`;
}

function textCondition({ contains, text }: BodySearch, textSql: string, parameters: Parameters): string {
  return allOf([
    contains === undefined ? undefined : `contains(${textSql}, ${parameters.text(contains)})`,
    text === undefined ? undefined : mayHold(textSql, text, parameters),
  ]);
}

/** What is gone through of bodies before other work gets a turn: some milliseconds. */
const CHARS_PER_TURN = 256 * 1024;

/** The positions of the bodies that match. Lets other work in between. */
export async function matchingBodies(
  connection: DuckDBConnection,
  bodies: readonly Body[],
  search: BodySearch,
): Promise<number[]> {
  const hashes = bodies.flatMap(({ sha256 }) => sha256 ?? []);
  const matchingHashes = new Set<string>();
  const condition = (textSql: string, parameters: Parameters) => textCondition(search, textSql, parameters);
  for await (const { sha256, text } of blobTexts(connection, hashes, condition)) {
    if (matches(text, search)) matchingHashes.add(sha256);
  }
  const positions: number[] = [];
  let chars = 0;
  for (const [position, { body, sha256 }] of bodies.entries()) {
    const isMatching = sha256 === null ? matches(body, search) : matchingHashes.has(sha256);
    if (isMatching) positions.push(position);
    chars += body.length;
    if (chars < CHARS_PER_TURN) continue;
    chars = 0;
    await nextTurn();
  }
  return positions;
}

function matches(body: string, { contains, text }: BodySearch): boolean {
  if (contains !== undefined && !body.includes(contains)) return false;
  if (text === undefined) return true;
  const match = createTextMatch(text);
  match.add(body);
  return match.isFound;
}
