import type { OpenTarget } from './target.ts';

export interface Finding {
  readonly input: Buffer;
  readonly error: unknown;
}

export async function tryInput(open: OpenTarget, input: Buffer): Promise<Finding | undefined> {
  try {
    const checked = open.check(input);
    if (checked !== undefined) await checked;
    return undefined;
  } catch (error) {
    return { input, error };
  }
}
