import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8's young generation small in a process that takes requests. Most of its memory is request bodies, which lie
 * outside of the heap: by default some hundred of them pile up before the few objects that hold them fill the young
 * generation, and V8 then runs a full collection for the sake of the outside memory, ten times as costly as the small
 * ones that let go of each body soon after its answer. To be called before the process has done much.
 */
export function keepYoungGenerationSmall(): void {
  // A flag of V8's own: another Node may not know it, and would say so on stderr.
  if (process.versions.node.startsWith('24.')) setFlagsFromString('--scavenger-max-new-space-capacity-mb=1');
}
