import type { TextQuery } from '../../shared/text/text-query.ts';
import { query } from '../reads/query.ts';
import type { ReadContext } from '../reads/read.ts';
import { allOf, createParameters } from '../reads/where.ts';
import { locate, readTexts, resent, rowsOf, type Traces } from './trace-texts.ts';
import { haveAll, isWord } from './word-tables.ts';

/**
 * Those of the traces whose prompts and completions, as they are at the snapshot, hold the text. The word table knows,
 * except for phrases and for what a span held before it was sent again: for these the texts are read.
 */
export async function matchingTraces(
  context: ReadContext,
  ids: Iterable<bigint>,
  text: TextQuery,
): Promise<ReadonlySet<bigint>> {
  const traces = await locate(context, [...new Set(ids)]);
  const known = await withAllWords(context, traces, text);
  const found = [...known.keys()];
  const unsure =
    text.phrases.length > 0
      ? new Set(found)
      : new Set([
          ...found.filter(id => known.get(id) === 'any word'),
          ...(await resent(context, traces, found)),
        ]);
  const matching = new Set(found.filter(id => !unsure.has(id)));
  const matches = await readTexts(context, { ...traces, ids: [...unsure] }, text);
  for (const [id, { isFound }] of matches) if (isFound) matching.add(id);
  return matching;
}

/** The traces that every word was sent in, or that had more words than are remembered. */
async function withAllWords(
  context: ReadContext,
  traces: Traces,
  text: TextQuery,
): Promise<ReadonlyMap<bigint, 'these words' | 'any word'>> {
  if (traces.ids.length === 0) return new Map();
  const parameters = createParameters();
  const result = await query(
    context.connection,
    `SELECT trace_id, bool_or(word = '') FROM store.span_words
     WHERE ${allOf([rowsOf(traces, context, parameters), isWord(text, parameters)])}
     GROUP BY trace_id HAVING ${haveAll(text)}`,
    parameters,
  );
  const rows = result.rows() as Iterable<[bigint, boolean]>;
  return new Map(Array.from(rows, ([id, isAny]) => [id, isAny ? 'any word' : 'these words']));
}
