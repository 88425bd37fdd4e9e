import type { DuckDBListValue } from '@duckdb/node-api';
import type { TextQuery } from '../../shared/text/text-query.ts';
import { ANY_WORD } from '../../shared/text/words.ts';
import { inSlots, type SlotRanges } from '../reads/counted.ts';
import { query } from '../reads/query.ts';
import type { ReadContext } from '../reads/read.ts';
import { allOf, createParameters } from '../reads/where.ts';
import { locate, readTexts, resent } from './trace-texts.ts';
import { isWord } from './word-tables.ts';

interface TermSearch {
  readonly text: TextQuery;
  readonly slots: SlotRanges;
}

/** A trace, and the places of its terms. */
type TermsOfTrace = readonly [traceId: bigint, has: readonly number[]];

/** Traces that are looked into at once. */
const TRACES_AT_ONCE = 20_000;

/**
 * Which terms the prompts and completions of the traces in some slots hold, as they are at the snapshot; by trace id,
 * and without those that never had a word of the text. The word table knows, except for phrases and for what a span
 * held before it was sent again: for these the texts are read.
 */
export async function* termsOfTraces(
  context: ReadContext,
  { text, slots }: TermSearch,
): AsyncGenerator<TermsOfTrace> {
  let some: SentWords[] = [];
  for (const sent of await sentWords(context, { text, slots })) {
    some.push(sent);
    if (some.length < TRACES_AT_ONCE) continue;
    yield* await lookInto(context, some, text);
    some = [];
  }
  yield* await lookInto(context, some, text);
}

async function lookInto(
  context: ReadContext,
  some: readonly SentWords[],
  text: TextQuery,
): Promise<TermsOfTrace[]> {
  const ids = some.map(({ traceId }) => traceId);
  const traces = await locate(context, ids);
  const unsure = new Set([
    ...some.filter(({ words }) => needsTexts(words, text)).map(({ traceId }) => traceId),
    ...(await resent(context, traces, ids)),
  ]);
  const matches = await readTexts(context, { ...traces, ids: [...unsure] }, text);
  return some.map(({ traceId, words }) => {
    const has = unsure.has(traceId) ? matches.get(traceId)?.found() : placesOf(words, text);
    return [traceId, has ?? []];
  });
}

interface SentWords {
  readonly traceId: bigint;
  /** Those of the text that it was sent with, or {@link ANY_WORD}. */
  readonly words: readonly string[];
}

async function sentWords(
  { connection, asOf, mostRows }: ReadContext,
  { text, slots }: TermSearch,
): Promise<Iterable<SentWords>> {
  const parameters = createParameters();
  const result = await query(
    connection,
    `SELECT trace_id, list(DISTINCT word) FROM store.span_words
     WHERE ${allOf([
       `commit_no <= ${asOf}`,
       isWord(text, parameters),
       `trace_id IN (SELECT trace_id FROM store.spans WHERE commit_no <= ${asOf} AND ${inSlots(slots)})`,
     ])}
     GROUP BY trace_id ORDER BY trace_id LIMIT ${mostRows}`,
    parameters,
  );
  return wordLists(result.rows() as Iterable<[bigint, DuckDBListValue]>);
}

function* wordLists(rows: Iterable<[bigint, DuckDBListValue]>): Generator<SentWords> {
  for (const [traceId, { items }] of rows) yield { traceId, words: items as readonly string[] };
}

/** It may hold any word, or a phrase: no words say whether they follow one another. */
function needsTexts(words: readonly string[], { phrases }: TextQuery): boolean {
  return words.includes(ANY_WORD) || phrases.some(phrase => phrase.every(word => words.includes(word)));
}

function placesOf(sent: readonly string[], { words }: TextQuery): number[] {
  return words.flatMap((word, place) => (sent.includes(word) ? [place] : []));
}
