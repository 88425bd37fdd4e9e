import type { BatchQueue, DeadLetter } from '../../ingest/queue/batch-queue.ts';
import { POSITIVE_DURATION_FORMS, parsePositiveDurationMs } from '../../shared/config/units.ts';
import { SIGNALS } from '../../shared/otlp/signal.ts';
import { EXIT, UserError } from '../exit-codes.ts';
import type { ParsedFlags } from '../flags.ts';

/** Which dead letters are meant. */
export interface DeadLetterFilter {
  /** Empty for all. */
  readonly shards: readonly string[];
  readonly matches: (letter: DeadLetter) => boolean;
  /** Whether there is any condition. */
  readonly isEmpty: boolean;
  /** Nothing that became a dead letter later is meant: what is replayed may come back. */
  readonly untilMs: number;
}

/** @throws UserError when a value is not one of its forms */
export function filterFrom(parsed: ParsedFlags, nowMs: number): DeadLetterFilter {
  const shards = parsed.texts('shard');
  const ids = new Set(parsed.texts('id'));
  const signal = parsed.text('signal');
  if (signal !== undefined && !SIGNALS.some(known => known === signal)) {
    throw new UserError(`--signal ${signal}: expected one of ${SIGNALS.join(', ')}`, EXIT.usage);
  }
  const reason = parsed.text('reason')?.toLowerCase();
  const untilMs = nowMs - ageMs(parsed.text('older-than'));
  const conditions = [...shards, ...ids, signal, reason, parsed.text('older-than')];
  return {
    shards,
    matches: letter =>
      (ids.size === 0 || ids.has(letter.id)) &&
      (signal === undefined || letter.signal === signal) &&
      (reason === undefined || letter.reason.toLowerCase().includes(reason)),
    isEmpty: conditions.every(condition => condition === undefined),
    untilMs,
  };
}

function ageMs(text: string | undefined): number {
  if (text === undefined) return 0;
  const ms = parsePositiveDurationMs(text);
  if (ms === undefined)
    throw new UserError(`--older-than ${text}: expected ${POSITIVE_DURATION_FORMS}`, EXIT.usage);
  return ms;
}

const PAGE_SIZE = 200;

/** What became of the letters that were visited: still there, there no more, or no more are wanted. */
export type Visit = 'kept' | 'gone' | 'enough';

/** Shows the dead letters that are meant to `visit`, shard by shard, some at a time, oldest first. */
export async function visitDeadLetters(
  queue: BatchQueue,
  { shards, filter }: { readonly shards: readonly string[]; readonly filter: DeadLetterFilter },
  visit: (letters: readonly DeadLetter[]) => Promise<Visit>,
): Promise<void> {
  const meant = filter.shards.length === 0 ? [...shards].sort() : filter.shards;
  for (const shard of meant) {
    const seen = new Set<string>();
    // Pages go on after a letter that is still there: one that was replayed marks no place any more.
    let after: string | undefined;
    for (;;) {
      const page = await queue.deadLetters(shard, {
        limit: PAGE_SIZE,
        ...(after !== undefined && { after }),
      });
      const inTime = page.filter(letter => letter.deadAtMs <= filter.untilMs);
      const letters = inTime.filter(letter => !seen.has(letter.id) && filter.matches(letter));
      for (const letter of letters) seen.add(letter.id);
      const became = letters.length === 0 ? 'kept' : await visit(letters);
      if (became === 'enough') return;
      const kept = became === 'gone' ? inTime.filter(letter => !letters.includes(letter)) : inTime;
      after = kept.at(-1)?.id ?? after;
      if (inTime.length < PAGE_SIZE) break;
    }
  }
}
