import type { Clock } from '../../src/shared/time.ts';
import type { OpenTarget } from './target.ts';
import { type Finding, tryInput } from './try-input.ts';

const SHRINK_MS = 2000;

/** Leaves out whatever the input breaks things without: halves first, single bytes at last. */
export async function shrink(open: OpenTarget, finding: Finding, clock: Clock): Promise<Finding> {
  const endMs = clock.now() + SHRINK_MS;
  let smallest = finding;
  for (let size = finding.input.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < smallest.input.length && clock.now() < endMs; ) {
      const { input } = smallest;
      const shorter = Buffer.concat([input.subarray(0, at), input.subarray(at + size)]);
      const again = await tryInput(open, shorter);
      if (again === undefined) at += size;
      else smallest = again;
    }
  }
  return smallest;
}
