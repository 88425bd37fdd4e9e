import fc from 'fast-check';
import { expect } from 'vitest';
import type { Batch } from '../../src/ingest/queue/batch.ts';
import type { BatchQueue, Claim } from '../../src/ingest/queue/batch-queue.ts';
import { SIGNALS, type Signal } from '../../src/shared/otlp/signal.ts';
import { newBatch } from './new-batch.ts';

export type Step =
  | {
      readonly kind: 'enqueue';
      readonly signal: Signal;
      readonly records: number;
      readonly sizeBytes: number;
    }
  | { readonly kind: 'repeat' | 'ack' | 'deadLetter' | 'release'; readonly pick: number }
  | { readonly kind: 'claim' }
  | { readonly kind: 'reopen' };

const pick = fc.nat({ max: 1000 });

export const arbitraryStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('enqueue' as const),
      signal: fc.constantFrom(...SIGNALS),
      records: fc.integer({ min: 1, max: 50 }),
      sizeBytes: fc.nat({ max: 200 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('claim' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom('repeat' as const, 'ack' as const, 'deadLetter' as const, 'release' as const),
      pick,
    }),
  },
);

type State = 'queued' | 'delivered' | 'deadLettered';

/** What the accounts must say. */
export function createModel() {
  const known: { batch: Batch; state: State }[] = [];
  const records = (keep: (state: State) => boolean) =>
    Object.fromEntries(
      SIGNALS.map(signal => [
        signal,
        known
          .filter(({ batch, state }) => batch.signal === signal && keep(state))
          .reduce((sum, { batch }) => sum + batch.records, 0),
      ]),
    );
  return {
    known,
    claims: new Map<string, Claim>(),
    settle(id: string, state: State): void {
      const one = known.find(({ batch }) => batch.id === id);
      if (one?.state === 'queued') one.state = state;
    },
    stats() {
      const queued = known.filter(({ state }) => state === 'queued').map(({ batch }) => batch);
      return {
        batches: queued.length,
        sizeBytes: queued.reduce((sum, batch) => sum + batch.payload.length, 0),
        oldestAcceptedAtMs: queued.length === 0 ? undefined : queued[0]?.acceptedAtMs,
        deadBatches: known.filter(({ state }) => state === 'deadLettered').length,
        accepted: records(() => true),
        delivered: records(state => state === 'delivered'),
        deadLettered: records(state => state === 'deadLettered'),
      };
    },
  };
}

interface StepParts {
  readonly queue: BatchQueue;
  readonly shard: string;
  readonly model: ReturnType<typeof createModel>;
  readonly step: Exclude<Step, { kind: 'reopen' }>;
}

export async function applyStep({ queue, shard, model, step }: StepParts): Promise<void> {
  const open = [...model.claims.values()];
  switch (step.kind) {
    case 'enqueue': {
      const { signal, records, sizeBytes } = step;
      const batch = newBatch(shard, { signal, records, payload: Buffer.alloc(sizeBytes, 1) });
      expect(await queue.enqueue([batch])).toEqual({ kind: 'stored' });
      model.known.push({ batch, state: 'queued' });
      return;
    }
    case 'repeat': {
      const again = model.known[step.pick % Math.max(1, model.known.length)];
      if (again !== undefined) expect(await queue.enqueue([again.batch])).toEqual({ kind: 'stored' });
      return;
    }
    case 'claim': {
      const claimed = await queue.claim(shard);
      if (claimed !== undefined) model.claims.set(claimed.batch.id, claimed);
      return;
    }
    case 'ack':
    case 'deadLetter':
    case 'release': {
      const claimed = open[step.pick % Math.max(1, open.length)];
      if (claimed === undefined) return;
      if (step.kind === 'release') {
        await queue.release(claimed, step.pick % 3);
        return;
      }
      // The claim stays known, so that later steps settle it again.
      if (step.kind === 'ack') await queue.ack(claimed);
      else await queue.deadLetter(claimed, 'refused');
      model.settle(claimed.batch.id, step.kind === 'ack' ? 'delivered' : 'deadLettered');
      return;
    }
  }
}
