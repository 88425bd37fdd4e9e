import { badValue, type Param } from '../params.ts';
import type { Combined, ReadQuery, ShardReads, StatePlan } from '../reads/read.ts';

/** Run ids are texts that people and build systems make up; spans and scores have them as attributes. */
export const runIdParam: Param<string> = {
  accepts: '1 to 512 characters that are no control characters and not all blank',
  decode: text =>
    /^\P{Cc}{1,512}$/u.test(text) && text.isWellFormed() && text.trim() !== '' ? text : undefined,
};

interface BadRun {
  readonly kind: 'bad';
  readonly error: string;
}

type PathRun = { readonly kind: 'run'; readonly runId: string } | BadRun;

/** The run that the path names. */
export function runOfPath({ path }: ReadQuery): PathRun {
  const text = path.runId ?? '';
  const runId = runIdParam.decode(text);
  if (runId === undefined) return { kind: 'bad', error: badValue('run id', text, runIdParam.accepts) };
  return { kind: 'run', runId };
}

/**
 * Plans a read about the run that the path names.
 * @param field - the member of the answer that is derived from rows
 */
export function planOfRun(
  query: ReadQuery,
  field: string,
  answer: (shards: ShardReads, runId: string) => Promise<Combined>,
): StatePlan | BadRun {
  const named = runOfPath(query);
  if (named.kind === 'bad') return named;
  return { kind: 'states', answer: shards => answer(shards, named.runId), fieldsOf: () => [field] };
}
