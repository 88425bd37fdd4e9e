import type { Slot } from './fan-out.ts';

/** Which shards an answer contains; the `shards` member of every answer. */
export interface Completeness {
  readonly total: number;
  readonly ok: number;
  readonly failed: readonly MissingShard[];
}

interface MissingShard {
  readonly id: string;
  readonly reason: string;
  readonly elapsed_ms: number;
}

export function completenessOf(slots: readonly Slot<unknown>[]): Completeness {
  const failed = slots
    .filter(slot => slot.kind !== 'answered')
    .map(slot => ({ id: slot.shardId, reason: slot.reason, elapsed_ms: slot.elapsedMs }));
  return { total: slots.length, ok: slots.length - failed.length, failed };
}

export const PARTIAL_HEADER = 'Otelfan-Partial';
export const MISSING_HEADER = 'Otelfan-Missing-Shards';

/** For clients that do not look into the body. */
export function completenessHeaders({ failed }: Completeness): Record<string, string> {
  if (failed.length === 0) return {};
  return { [PARTIAL_HEADER]: 'true', [MISSING_HEADER]: failed.map(shard => shard.id).join(',') };
}

/** `s1 (no answer within 8000 ms), s2 (…)` */
export function nameMissing({ failed }: Completeness): string {
  return failed.map(shard => `${shard.id} (${shard.reason})`).join(', ');
}
