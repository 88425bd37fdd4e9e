import type { TextQuery } from '../../shared/text/text-query.ts';
import { ANY_WORD } from '../../shared/text/words.ts';
import { query } from '../reads/query.ts';
import type { ReadContext } from '../reads/read.ts';
import { createParameters, type Parameters } from '../reads/where.ts';

/**
 * The commits whose log bodies may hold every word, each in a body of its own perhaps; without those that have only
 * logs before `fromNs`.
 */
export async function commitsWithWords(
  { connection, asOf }: Pick<ReadContext, 'connection' | 'asOf'>,
  text: TextQuery,
  fromNs: bigint,
): Promise<bigint[]> {
  const late = `SELECT commit_no FROM store.commits WHERE logs_to_ns >= ${fromNs} AND commit_no <= ${asOf}`;
  const [first] = (await query(connection, `SELECT min(commit_no) FROM (${late})`)).column(0);
  if (first === null) return [];
  const parameters = createParameters();
  const result = await query(
    connection,
    // The number lets DuckDB skip the words of older commits.
    `SELECT commit_no FROM store.log_words
     WHERE commit_no >= ${String(first)} AND commit_no IN (${late}) AND ${isWord(text, parameters)}
     GROUP BY commit_no HAVING ${haveAll(text)}`,
    parameters,
  );
  return Array.from(result.column(0), commitNo => commitNo as bigint);
}

/** Holds for the spans of traces whose prompts and completions held every word when they came, and of some others. */
export function inTraceWithWords(
  { asOf }: Pick<ReadContext, 'asOf'>,
  { text, others }: { readonly text: TextQuery; readonly others: ReadonlySet<bigint> },
  parameters: Parameters,
): string {
  // One subquery for all words: one for each costs DuckDB minutes of planning from a hundred words on.
  return `trace_id IN (
    SELECT trace_id FROM store.span_words WHERE commit_no <= ${asOf} AND ${isWord(text, parameters)}
    GROUP BY trace_id HAVING ${haveAll(text)}
    ${others.size === 0 ? '' : `UNION ALL ${parameters.hugeNumbers([...others])}`}
  )`;
}

export function isWord({ words }: TextQuery, parameters: Parameters): string {
  return `word IN (${[...words, ANY_WORD].map(word => parameters.text(word)).join(', ')})`;
}

export function haveAll({ words }: TextQuery): string {
  const any = `word = '${ANY_WORD}'`;
  return `count(DISTINCT word) FILTER (NOT ${any}) = ${words.length} OR bool_or(${any})`;
}
