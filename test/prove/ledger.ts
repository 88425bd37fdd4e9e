import type { MadeExport } from './records.ts';

/** What a sender was told of an export, in the end. */
export type Fate =
  /** Not yet known, or given up without an answer: it may be stored or not. */
  | { readonly kind: 'unknown' }
  /** Answered with OK but for this many of its records. */
  | { readonly kind: 'acknowledged'; readonly rejected: number }
  /** Refused for good: nothing of it may be stored. */
  | { readonly kind: 'refused'; readonly reason: string };

interface SentExport extends MadeExport {
  readonly fate: Fate;
  /** How often it was begun to be sent; what was sent once has to be there once, without conditions. */
  readonly attempts: number;
}

/** One export, as its sender tells of it. */
export interface Entry {
  attempt(): void;
  became(fate: Fate): void;
}

/** What was sent, and what was answered: all that the oracle knows. */
export interface Ledger {
  begin(made: MadeExport): Entry;
  all(): readonly SentExport[];
  /**
   * From here on repeats may come outside of the repeat window or across a change of the topology, so that what was sent
   * more than once may be stored more than once (docs/GUARANTEES.md, "Duplicates").
   */
  allowRepeatsTwice(): void;
  mayBeTwice(entry: SentExport): boolean;
  /** Records of exports that were answered with OK so far. */
  acknowledged(): number;
}

export function createLedger(): Ledger {
  const entries: { -readonly [Member in keyof SentExport]: SentExport[Member] }[] = [];
  let acknowledged = 0;
  let areRepeatsAllowed = false;
  return {
    begin(made) {
      const entry = { ...made, fate: { kind: 'unknown' } as Fate, attempts: 0 };
      entries.push(entry);
      return {
        attempt() {
          entry.attempts += 1;
        },
        became(fate) {
          // What was acknowledged once stays so, whatever a repeat is answered.
          if (entry.fate.kind === 'acknowledged') return;
          entry.fate = fate;
          if (fate.kind === 'acknowledged') acknowledged += entry.records.size - fate.rejected;
        },
      };
    },
    all: () => entries,
    allowRepeatsTwice() {
      areRepeatsAllowed = true;
    },
    mayBeTwice: ({ attempts }) => areRepeatsAllowed && attempts > 1,
    acknowledged: () => acknowledged,
  };
}
