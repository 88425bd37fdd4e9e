import { badValue, type Param } from '../params.ts';
import type { ReadQuery } from '../reads/read.ts';

/** Run ids are texts that people and build systems make up; spans and scores have them as attributes. */
export const runIdParam: Param<string> = {
  accepts: '1 to 512 characters that are no control characters and not all blank',
  decode: text =>
    /^\P{Cc}{1,512}$/u.test(text) && text.isWellFormed() && text.trim() !== '' ? text : undefined,
};

type PathRun =
  | { readonly kind: 'run'; readonly runId: string }
  | { readonly kind: 'bad'; readonly error: string };

/** The run that the path names. */
export function runOfPath({ path }: ReadQuery): PathRun {
  const text = path.runId ?? '';
  const runId = runIdParam.decode(text);
  if (runId === undefined) return { kind: 'bad', error: badValue('run id', text, runIdParam.accepts) };
  return { kind: 'run', runId };
}
