import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect } from 'vitest';
import { createLane, type Lane, type LaneOptions, type LaneParts } from '../../src/ingest/delivery/lane.ts';
import type { Send } from '../../src/ingest/delivery/outcome.ts';
import type { IngestEvents } from '../../src/ingest/ingest-events.ts';
import type { Batch } from '../../src/ingest/queue/batch.ts';
import { createLmdbQueue } from '../../src/ingest/queue/lmdb-queue.ts';
import { steadyClock, systemClock } from '../../src/shared/time.ts';
import { newBatch } from '../conformance/new-batch.ts';
import { expectConserved } from './conservation.ts';

const silent = pino({ level: 'silent' });

/** Short pauses, so that a test sees many of them. */
const quick: LaneOptions = {
  concurrency: 4,
  retryInitialMs: 20,
  retryMaxMs: 80,
  horizonMs: 60_000,
  idlePollMs: 50,
  stopGraceMs: 200,
};

/** A logger whose lines can be read. */
export function recordingLogger() {
  const lines: { level: number; msg: string }[] = [];
  return { lines, logger: pino({ level: 'info' }, { write: line => void lines.push(JSON.parse(line)) }) };
}

/** Events as they came. */
export function recordingEvents() {
  const sent: Parameters<IngestEvents['sent']>[0][] = [];
  const refused: Parameters<IngestEvents['shardRefused']>[0][] = [];
  const dead: Parameters<IngestEvents['deadLettered']>[0][] = [];
  const events: LaneParts['events'] = {
    sent: event => void sent.push(event),
    shardRefused: event => void refused.push(event),
    deadLettered: event => void dead.push(event),
  };
  return { sent, refused, dead, events };
}

export type Harness = Awaited<ReturnType<typeof startHarness>>;

/** A real embedded queue in a folder of its own, and lanes of shard `s0` on it. */
export async function startHarness() {
  const dir = await mkdtemp(join(tmpdir(), 'otelfan-delivery-'));
  const queue = await createLmdbQueue({
    dir,
    leaseMs: 15_000,
    clock: systemClock,
    steady: steadyClock,
    logger: silent,
  });
  const components: { stop(): Promise<void> }[] = [];

  /** Stopped before what it was made after. */
  function use<T extends { stop(): Promise<void> }>(component: T): T {
    components.unshift(component);
    return component;
  }

  return {
    queue,
    use,

    lane(
      send: Send,
      parts: Partial<Omit<LaneParts, 'options'>> = {},
      options: Partial<LaneOptions> = {},
    ): Lane {
      return use(
        createLane({
          shard: 's0',
          queue,
          send,
          events: recordingEvents().events,
          clock: systemClock,
          steady: steadyClock,
          random: Math.random,
          logger: silent,
          ...parts,
          options: { ...quick, ...options },
        }),
      );
    },

    async enqueue(batches: number | readonly Batch[]): Promise<readonly Batch[]> {
      const all =
        typeof batches === 'number' ? Array.from({ length: batches }, () => newBatch('s0')) : batches;
      expect(await queue.enqueue(all)).toEqual({ kind: 'stored' });
      return all;
    },

    statsWhen: (expected: object) =>
      expect.poll(() => queue.stats('s0'), { timeout: 15_000, interval: 10 }).toMatchObject(expected),

    /** The dead letters with their payloads, by their ids. */
    async deadLetters(): Promise<{ id: string; records: number; reason: string; batch: Batch }[]> {
      const letters = await queue.deadLetters('s0', { limit: 1000 });
      return await Promise.all(
        letters.map(async ({ id, records, reason }) => {
          const batch = await queue.deadLetterBatch({ shard: 's0', id });
          if (batch === undefined || typeof batch === 'string') throw new Error(batch ?? 'gone');
          return { id, records, reason, batch };
        }),
      );
    },

    /** Every test ends with accounts that agree, whatever went wrong in it. */
    async stop() {
      for (const component of components.splice(0)) await component.stop();
      await expectConserved(queue);
      await queue.stop();
      await rm(dir, { recursive: true });
    },
  };
}
