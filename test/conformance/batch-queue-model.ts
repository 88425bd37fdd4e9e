import fc from 'fast-check';
import { expect } from 'vitest';
import type { Batch } from '../../src/ingest/queue/batch.ts';
import type {
  BatchQueue,
  Claim,
  ClaimOrder,
  LaneAudit,
  LaneStats,
  RecordCounts,
} from '../../src/ingest/queue/batch-queue.ts';
import { SIGNALS, type Signal } from '../../src/shared/otlp/signal.ts';
import { newBatch } from './new-batch.ts';

/** What can be done to any batch that was ever stored, and what to one that was claimed. */
type AnyKind = 'repeat' | 'replay' | 'purge';
type ClaimedKind = 'ack' | 'ackExcept' | 'deadLetter' | 'release' | 'reroute';

interface Picking<Kind> {
  readonly kind: Kind;
  readonly pick: number;
}

export type Step =
  | {
      readonly kind: 'enqueue';
      readonly signal: Signal;
      readonly records: number;
      readonly sizeBytes: number;
      readonly acceptedAtMs: number;
    }
  | Picking<AnyKind>
  | Picking<ClaimedKind>
  | { readonly kind: 'claim'; readonly order: ClaimOrder }
  | { readonly kind: 'reopen' };

const picking = <Kind>(...kinds: Kind[]): fc.Arbitrary<Picking<Kind>> =>
  fc.record({ kind: fc.constantFrom(...kinds), pick: fc.nat({ max: 1000 }) });

export const arbitraryStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('enqueue' as const),
      signal: fc.constantFrom(...SIGNALS),
      records: fc.integer({ min: 1, max: 50 }),
      sizeBytes: fc.nat({ max: 200 }),
      acceptedAtMs: fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('claim' as const),
      order: fc.constantFrom('oldest' as const, 'newest' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  { weight: 8, arbitrary: picking<ClaimedKind>('ack', 'ackExcept', 'deadLetter', 'release', 'reroute') },
  { weight: 4, arbitrary: picking<AnyKind>('repeat', 'replay', 'purge') },
);

type State = 'queued' | 'delivered' | 'dead' | 'purged' | 'rerouted';

interface Known {
  readonly batch: Batch;
  state: State;
  /** Records of parts of it that were refused; they are counted where the parts are. */
  refused: number;
  /** A part was accepted as part of another batch. */
  readonly isPart: boolean;
}

/** What the accounts must say of the lane under test, and of another one that batches are rerouted to. */
export function createModel(shard: string, other: string) {
  const known: Known[] = [];

  const sum = (of: string, recordsOf: (one: Known) => number): RecordCounts =>
    Object.fromEntries(
      SIGNALS.map(signal => [
        signal,
        known
          .filter(({ batch }) => batch.shard === of && batch.signal === signal)
          .reduce((total, one) => total + recordsOf(one), 0),
      ]),
    ) as Record<Signal, number>;

  const recordsIn = (of: string, ...states: State[]) =>
    sum(of, one => (states.includes(one.state) ? one.batch.records - one.refused : 0));

  const counts = (of: string) => ({
    accepted: sum(of, one => (one.isPart ? 0 : one.batch.records)),
    delivered: recordsIn(of, 'delivered'),
    deadLettered: recordsIn(of, 'dead', 'purged'),
    rerouted: recordsIn(of, 'rerouted'),
  });

  const inState = (of: string, state: State) =>
    known.filter(one => one.batch.shard === of && one.state === state).map(({ batch }) => batch);

  return {
    shard,
    other,
    shards: [shard, other],
    known,
    claims: new Map<string, Claim>(),
    add(batch: Batch, state: State, isPart = false): void {
      known.push({ batch, state, refused: 0, isPart });
    },
    find: (id: string) => known.find(({ batch }) => batch.id === id),
    stats(of: string): LaneStats {
      const queued = inState(of, 'queued');
      return {
        batches: queued.length,
        sizeBytes: queued.reduce((total, batch) => total + batch.payload.length, 0),
        oldestAcceptedAtMs:
          queued.length === 0 ? undefined : Math.min(...queued.map(batch => batch.acceptedAtMs)),
        deadBatches: inState(of, 'dead').length,
        ...counts(of),
      };
    },
    audit: (of: string): LaneAudit => ({ queued: recordsIn(of, 'queued'), ...counts(of) }),
    deadIds: (of: string) =>
      inState(of, 'dead')
        .map(batch => batch.id)
        .toSorted(),
  };
}

type Model = ReturnType<typeof createModel>;

interface StepParts {
  readonly queue: BatchQueue;
  readonly model: Model;
  readonly step: Exclude<Step, { kind: 'reopen' }>;
}

export async function applyStep({ queue, model, step }: StepParts): Promise<void> {
  switch (step.kind) {
    case 'enqueue': {
      const { kind: _, sizeBytes, ...info } = step;
      const batch = newBatch(model.shard, { ...info, payload: Buffer.alloc(sizeBytes, 1) });
      expect(await queue.enqueue([batch])).toEqual({ kind: 'stored' });
      model.add(batch, 'queued');
      return;
    }
    case 'claim': {
      const claimed = await queue.claim(model.shard, step.order);
      if (claimed === undefined) return;
      const known = model.find(claimed.batch.id);
      expect(known?.state).toBe('queued');
      expect(claimed.batch).toEqual(known?.batch);
      model.claims.set(claimed.batch.id, claimed);
      return;
    }
    case 'repeat':
    case 'replay':
    case 'purge': {
      const one = model.known[step.pick % Math.max(1, model.known.length)];
      if (one === undefined) return;
      if (step.kind === 'repeat') {
        expect(await queue.enqueue([one.batch])).toEqual({ kind: 'stored' });
        return;
      }
      const isDead = one.state === 'dead';
      expect(await queue[step.kind](one.batch)).toBe(isDead);
      if (isDead) one.state = step.kind === 'replay' ? 'queued' : 'purged';
      return;
    }
    case 'ack':
    case 'ackExcept':
    case 'deadLetter':
    case 'release':
    case 'reroute': {
      // A claim stays known, so that later steps settle it again.
      const open = [...model.claims.values()];
      const claimed = open[step.pick % Math.max(1, open.length)];
      if (claimed !== undefined) await settleClaim({ queue, model, claimed, step });
      return;
    }
  }
}

interface SettleParts {
  readonly queue: BatchQueue;
  readonly model: Model;
  readonly claimed: Claim;
  readonly step: Picking<ClaimedKind>;
}

async function settleClaim({ queue, model, claimed, step }: SettleParts): Promise<void> {
  const { batch } = claimed;
  const one = model.find(batch.id) as Known;
  const isQueued = one.state === 'queued';
  const settled = (state: State) => {
    if (isQueued) one.state = state;
  };
  switch (step.kind) {
    case 'release':
      await queue.release(claimed, step.pick % 3);
      return;
    case 'ack':
      await queue.ack(claimed);
      settled('delivered');
      return;
    case 'deadLetter':
      await queue.deadLetter(claimed, 'refused');
      settled('dead');
      return;
    case 'ackExcept': {
      const part = newBatch(model.shard, { signal: batch.signal, acceptedAtMs: batch.acceptedAtMs });
      await queue.ackExcept(claimed, [{ batch: part, reason: 'refused' }]);
      if (isQueued) {
        one.refused = part.records;
        model.add(part, 'dead', true);
      }
      settled('delivered');
      return;
    }
    case 'reroute': {
      // What to do with a batch that was settled otherwise meanwhile is left to the backend.
      if (!isQueued) return;
      const { signal, records, acceptedAtMs, payload } = batch;
      const moved = newBatch(model.other, { signal, records, acceptedAtMs, payload });
      expect(await queue.reroute(claimed, [moved])).toEqual({ kind: 'stored' });
      model.add(moved, 'queued');
      settled('rerouted');
      return;
    }
  }
}
