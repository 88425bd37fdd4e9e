import { createTextMatch, type TextMatch, type TextQuery } from '../../shared/text/text-query.ts';
import { query } from '../reads/query.ts';
import type { ReadContext } from '../reads/read.ts';
import { traceKeyOf } from '../reads/trace-key.ts';
import { allOf, createParameters, type Parameters } from '../reads/where.ts';
import { blobTexts } from './blob-texts.ts';

/** Some traces and where they are. */
export interface Traces {
  readonly ids: readonly bigint[];
  /** A condition on the commits that hold them, for DuckDB to skip the others. */
  readonly commits: string;
  /** Those that may have a span twice: they are in several commits, or twice in one. */
  readonly perhapsResent: ReadonlySet<bigint>;
}

/** A longer list of commits is no help to DuckDB; the range they are in is. */
const MAX_LISTED_COMMITS = 500;

export async function locate(context: ReadContext, ids: readonly bigint[]): Promise<Traces> {
  const { hash, traceIndex } = context;
  const keys = ids.map(id => traceKeyOf(hash, id));
  const commitsOf = await traceIndex.commitsOf(context, { keys: [...new Set(keys)] });
  const commitNos = new Set<bigint>();
  for (const commits of commitsOf.values()) for (const { commitNo } of commits) commitNos.add(commitNo);
  const perhapsResent = ids.filter((_, index) => {
    const commits = commitsOf.get(keys[index] as bigint) ?? [];
    return commits.length > 1 || commits.some(({ repeats }) => repeats);
  });
  return {
    ids,
    commits: inCommits([...BigUint64Array.from(commitNos).sort()]),
    perhapsResent: new Set(perhapsResent),
  };
}

/** Of ascending numbers. */
function inCommits(commitNos: readonly bigint[]): string {
  if (commitNos.length === 0) return 'false';
  if (commitNos.length <= MAX_LISTED_COMMITS) return `commit_no IN (${commitNos.join(', ')})`;
  return `commit_no BETWEEN ${commitNos[0]} AND ${commitNos.at(-1)}`;
}

export function rowsOf({ ids, commits }: Traces, { asOf }: ReadContext, parameters: Parameters): string {
  return allOf([commits, `commit_no <= ${asOf}`, `trace_id IN ${parameters.hugeNumbers(ids)}`]);
}

/** Those of some traces in which an LLM span was sent more than once. */
export async function resent(
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

/** What the texts of the traces, read now, have of what is asked for. A trace without texts is not there. */
export async function readTexts(
  context: ReadContext,
  traces: Traces,
  text: TextQuery,
): Promise<ReadonlyMap<bigint, TextMatch>> {
  if (traces.ids.length === 0) return new Map();
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
  return matchOfTrace;
}
