import type { DuckDBConnection } from '@duckdb/node-api';
import { allOf, type Parameters } from '../reads/where.ts';
import { blobTexts } from './blob-texts.ts';
import { mayHold } from './superset.ts';
import { createTextMatch, parseTextQuery, type TextQuery } from './text-query.ts';

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

/** The positions of the bodies that match. */
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
  return bodies.flatMap(({ body, sha256 }, position) =>
    (sha256 === null ? matches(body, search) : matchingHashes.has(sha256)) ? [position] : [],
  );
}

function matches(body: string, { contains, text }: BodySearch): boolean {
  if (contains !== undefined && !body.includes(contains)) return false;
  if (text === undefined) return true;
  const match = createTextMatch(text);
  match.add(body);
  return match.isFound;
}
