import type { Batch } from '../queue/batch.ts';
import type { RefusedPart } from '../queue/batch-queue.ts';
import type { Delivered, DeliveryOutcome, Reject, Retry } from './outcome.ts';
import { halve, separate } from './parts.ts';

/** What the shard said of a batch and its parts, by their ids. */
export type Verdicts = Map<string, Delivered | Reject>;

export type BisectOutcome =
  /** The shard has everything but these. */
  | { readonly kind: 'settled'; readonly refused: readonly RefusedPart[] }
  /** Stopped half-way: the verdicts so far are kept, and with them it goes on where it was. */
  | {
      readonly kind: 'unfinished';
      readonly because: Retry | 'out of time';
      readonly refused: readonly RefusedPart[];
      /** Parts that the shard may or may not take. */
      readonly open: readonly Batch[];
    };

export interface BisectParts {
  readonly batch: Batch;
  /** At least the one that rejected the batch; added to. */
  readonly verdicts: Verdicts;
  readonly send: (part: Batch) => Promise<DeliveryOutcome>;
  /** Whether there is time for another send. */
  readonly hasTime: () => boolean;
}

/** One poison record among 10 000 takes 28 parts; a batch may have some ten of them, or a few dozen close together. */
export const MAX_PARTS = 256;
/** A shard that has refused this many parts, five rounds of halving, and taken none refuses everything. */
export const MAX_REFUSALS_WITHOUT_SUCCESS = 31;

/**
 * Cuts a rejected batch until only the records that the shard will not take are left. Breadth first, so that the
 * parts are equally small when the bound is reached; what is rejected then becomes a dead letter as it is. The order
 * depends on the verdicts alone, so it can be gone through again with those that are known.
 */
export async function bisect({ batch, verdicts, send, hasTime }: BisectParts): Promise<BisectOutcome> {
  const pending = [batch];
  const refused: RefusedPart[] = [];
  let parts = 1;
  let deliveries = 0;
  let refusals = 0;
  for (;;) {
    const part = pending.shift();
    if (part === undefined) return { kind: 'settled', refused };
    let verdict = verdicts.get(part.id);
    if (verdict === undefined) {
      const stop = (because: Retry | 'out of time'): BisectOutcome => {
        return { kind: 'unfinished', because, refused, open: [part, ...pending] };
      };
      if (!hasTime()) return stop('out of time');
      const outcome = await send(part);
      if (outcome.kind === 'retry') return stop(outcome);
      verdict = outcome;
      verdicts.set(part.id, verdict);
    }
    if (verdict.kind === 'delivered') {
      deliveries += 1;
      continue;
    }
    if (verdict.unsent === undefined && verdict.partlyStored === undefined) refusals += 1;
    if (deliveries === 0 && refusals >= MAX_REFUSALS_WITHOUT_SUCCESS) {
      const reason = `${verdict.reason} (the shard took none of the ${refusals} parts it was sent)`;
      return { kind: 'settled', refused: [{ batch, reason }] };
    }
    const smaller = parts < MAX_PARTS ? cut(part, verdict) : undefined;
    if (smaller === undefined) refused.push({ batch: part, reason: verdict.reason });
    else {
      refused.push(...smaller.refused);
      pending.push(...smaller.pending);
      parts += smaller.pending.length;
    }
  }
}

interface Cut {
  readonly pending: readonly Batch[];
  readonly refused: readonly RefusedPart[];
}

function cut(part: Batch, { badRecords, reason }: Reject): Cut | undefined {
  if (badRecords === undefined) {
    const halves = halve(part);
    return halves && { pending: halves, refused: [] };
  }
  const separated = separate(part, badRecords);
  if (separated?.good === undefined) return undefined;
  return { pending: [separated.good], refused: [{ batch: separated.bad, reason }] };
}
