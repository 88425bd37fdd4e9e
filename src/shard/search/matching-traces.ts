import { query } from '../reads/query.ts';
import type { ReadContext } from '../reads/read.ts';
import { allOf, createParameters, type Parameters } from '../reads/where.ts';
import { traceIdText } from '../rows/ids.ts';
import { blobTexts } from './blob-texts.ts';
import { createTextMatch, type TextMatch, type TextQuery } from './text-query.ts';
import { haveAll, isWord } from './word-tables.ts';

/** Some traces and where they are. */
interface Traces {
  readonly ids: readonly bigint[];
  /** A condition on the commits that hold them, for DuckDB to skip the others. */
  readonly commits: string;
  /** Those that may have a span twice: they are in several commits, or twice in one. */
  readonly perhapsResent: ReadonlySet<bigint>;
}

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
  for (const id of await holdingText(context, { ...traces, ids: [...unsure] }, text)) matching.add(id);
  return matching;
}

/** A longer list of commits is no help to DuckDB; the range they are in is. */
const MAX_LISTED_COMMITS = 500;

async function locate({ connection, hash, asOf }: ReadContext, ids: readonly bigint[]): Promise<Traces> {
  const parameters = createParameters();
  const keys = ids.map(id => hash.hash64(Buffer.from(traceIdText(id), 'hex')));
  const result = await query(
    connection,
    `SELECT trace_key, commit_no, repeats FROM store.trace_commits
     WHERE commit_no <= ${asOf} AND trace_key IN ${parameters.unsignedNumbers(keys)} ORDER BY commit_no`,
    parameters,
  );
  const commitNos = new Set<bigint>();
  const seen = new Set<bigint>();
  const seenAgain = new Set<bigint>();
  for (const [key, commitNo, repeats] of result.rows() as Iterable<[bigint, bigint, boolean]>) {
    commitNos.add(commitNo);
    if (repeats || seen.has(key)) seenAgain.add(key);
    seen.add(key);
  }
  return {
    ids,
    commits: inCommits([...commitNos]),
    perhapsResent: new Set(ids.filter((_, index) => seenAgain.has(keys[index] as bigint))),
  };
}

/** Of ascending numbers. */
function inCommits(commitNos: readonly bigint[]): string {
  if (commitNos.length === 0) return 'false';
  if (commitNos.length <= MAX_LISTED_COMMITS) return `commit_no IN (${commitNos.join(', ')})`;
  return `commit_no BETWEEN ${commitNos[0]} AND ${commitNos.at(-1)}`;
}

function rowsOf({ ids, commits }: Traces, { asOf }: ReadContext, parameters: Parameters): string {
  return allOf([commits, `commit_no <= ${asOf}`, `trace_id IN ${parameters.hugeNumbers(ids)}`]);
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

/** Those of some traces in which an LLM span was sent more than once. */
async function resent(
  context: ReadContext,
  traces: Traces,
  ids: readonly bigint[],
): Promise<Iterable<bigint>> {
  const suspects = ids.filter(id => traces.perhapsResent.has(id));
  if (suspects.length === 0) return [];
  const parameters = createParameters();
  const result = await query(
    context.connection,
    `SELECT trace_id FROM store.spans WHERE ${rowsOf({ ...traces, ids: suspects }, context, parameters)}
     GROUP BY trace_id, span_id HAVING count(*) > 1 AND bool_or(llm IS NOT NULL)`,
    parameters,
  );
  return result.column(0) as Iterable<bigint>;
}

interface LlmHashes {
  readonly prompt_sha256?: string;
  readonly completion_sha256?: string;
}

/** Those of the traces whose texts, read now, hold what is asked for. */
async function holdingText(context: ReadContext, traces: Traces, text: TextQuery): Promise<bigint[]> {
  if (traces.ids.length === 0) return [];
  const parameters = createParameters();
  const result = await query(
    context.connection,
    `SELECT trace_id, llm FROM (
       SELECT trace_id, llm FROM store.spans WHERE ${rowsOf(traces, context, parameters)}
       QUALIFY row_number() OVER (PARTITION BY trace_id, span_id ORDER BY commit_no DESC, rowid DESC) = 1
     ) WHERE llm IS NOT NULL`,
    parameters,
  );
  const matchOfTrace = new Map<bigint, TextMatch>();
  const matchesOfHash = new Map<string, Set<TextMatch>>();
  for (const [id, llm] of result.rows() as Iterable<[bigint, string]>) {
    const match = matchOfTrace.get(id) ?? createTextMatch(text);
    matchOfTrace.set(id, match);
    const { prompt_sha256, completion_sha256 } = JSON.parse(llm) as LlmHashes;
    for (const hash of [prompt_sha256, completion_sha256]) {
      if (hash !== undefined) matchesOfHash.set(hash, (matchesOfHash.get(hash) ?? new Set()).add(match));
    }
  }
  for await (const { sha256, text: blob } of blobTexts(
    context.connection,
    matchesOfHash.keys(),
    () => 'true',
  )) {
    for (const match of matchesOfHash.get(sha256) ?? []) match.add(blob);
  }
  return [...matchOfTrace].flatMap(([id, match]) => (match.isFound ? [id] : []));
}
