import type { ShardSpec } from '../shared/topology/topology.ts';
import { LAGGARD_SHARE } from './deadline.ts';
import { fanOut, type Slot } from './fan-out.ts';
import type { InexactPart } from './inexact.ts';
import { BrokenPart, type RowPart } from './merge/row-part.ts';
import type { ReadFigures } from './read-figures.ts';
import type { RefusedQuestion, ShardQuery, ShardReads } from './reads/read.ts';
import { Refused } from './refused.ts';
import type { ShardReader, SnapshotRows } from './shard-reader.ts';
import { askToEnd } from './whole-rows.ts';

export interface ShardReadsOptions {
  readonly shards: readonly ShardSpec[];
  readonly reader: Pick<ShardReader, 'snapshot'>;
  /** When the read began, on the clock of `performance.now()`. */
  readonly startMs: number;
  /** From then, for all rounds together. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Whether one missing shard makes the answer useless. */
  readonly isStrict: boolean;
  readonly figures: ReadFigures;
  readonly limits: AnswerLimits;
  /** The commits that some shards must be read at: one that cannot be is `gone`. */
  readonly pinned?: ReadonlyMap<string, string>;
}

/** What one read may take of all shards together. */
export interface AnswerLimits {
  readonly maxAnswerBytes: number;
  /** Services, operations and the like of one shard that an answer may have to look at. */
  readonly maxGroups: number;
}

/** The rounds of one answer. */
export interface ReadSession extends ShardReads {
  /** Leaves a shard out from here on, as one that failed. What has been computed with its rows must be computed again. */
  exclude(shardId: string, reason: string): void;
  /** What became of each shard over all rounds, in their order. */
  slots(): readonly Slot<unknown>[];
  /** What is not exact of what the shards gave, those that are out left out. */
  inexact(): readonly InexactPart[];
  /** The commits that the shards are read at, those that are out left out. */
  commits(): ReadonlyMap<string, string>;
}

/**
 * A round lost a shard that earlier rounds have rows of, or the answer is strict and has lost one: what was computed so
 * far must not be shown. Run the plan again; what the remaining shards gave is remembered.
 */
class StartOver extends Error {}

/**
 * Runs what asks rounds, again when a shard is lost meanwhile. A shard may prove broken only when its rows are looked
 * at; it has then failed like any other.
 */
export async function runToEnd<T>(
  session: ReadSession,
  work: () => Promise<T>,
): Promise<T | RefusedQuestion> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Refused) return error.question();
      if (error instanceof BrokenPart) session.exclude(error.shardId, error.message);
      else if (!(error instanceof StartOver)) throw error;
    }
  }
}

/**
 * Pins the snapshot of each shard in its first round. A shard whose snapshot retention has deleted since is read anew
 * from the start, once. Asking throws {@link StartOver}, and {@link Refused} when the answers are over a limit.
 */
export function createReadSession(options: ShardReadsOptions): ReadSession {
  const { shards, reader, timeoutMs, startMs, isStrict, figures, limits, pinned = NONE } = options;
  const signal = AbortSignal.any([options.signal, figures.full]);
  const seen = new Map<string, Seen>();
  const remembered = new Map<string, Map<string, readonly RowPart[]>>();
  const startedAnew = new Set<string>();
  const flaws = new Map<string, readonly InexactPart[]>();

  const isOut = (id: string) => seen.has(id) && seen.get(id)?.asOf === undefined;

  function forget(shardId: string): void {
    seen.delete(shardId);
    flaws.delete(shardId);
    for (const round of remembered.values()) round.delete(shardId);
  }

  async function askTogether(reads: readonly ShardQuery[]): Promise<(readonly RowPart[])[]> {
    const key = JSON.stringify(reads);
    const round = remembered.get(key) ?? new Map<string, readonly RowPart[]>();
    remembered.set(key, round);
    const asked = shards.filter(({ id }) => !isOut(id) && !round.has(id));
    if (asked.length > 0) figures.beginRound();
    const slots = await figures.whileAsking(() =>
      fanOut({
        shards: asked,
        call: (shard, callSignal) => {
          const asOf = seen.get(shard.id)?.asOf ?? pinned.get(shard.id);
          const newMeter = () => figures.meterFor(shard.id, 'whole');
          return askToEnd(some => reader.snapshot(shard, some, callSignal, newMeter), { asOf, reads });
        },
        timeoutMs,
        startMs,
        laggardShare: LAGGARD_SHARE,
        signal,
        failFast: isStrict,
      }),
    );
    if (figures.full.aborted) throw figures.full.reason as Refused;
    let isBroken = false;
    for (const slot of slots) isBroken = take(slot, round, reads) || isBroken;
    const failed = slots.find(({ shardId }) => seen.get(shardId)?.slot.kind === 'failed');
    if (isStrict && failed !== undefined) abandonOthers(failed.shardId);
    if (isBroken) throw new StartOver();
    const parts = shards.flatMap(({ id }) => {
      const given = round.get(id);
      return given === undefined ? [] : [given];
    });
    return reads.map((_read, index) => parts.map(given => given[index] as RowPart));
  }

  /** Notes what a shard gave. True when what was computed before must not count. */
  function take(
    slot: Slot<SnapshotRows>,
    round: Map<string, readonly RowPart[]>,
    reads: readonly ShardQuery[],
  ): boolean {
    const { shardId } = slot;
    const before = seen.get(shardId);
    const elapsedMs = slot.elapsedMs + (before?.slot.elapsedMs ?? 0);
    if ('value' in slot) {
      const { asOf, parts, rows, inexact = [] } = slot.value;
      for (const [index, count] of rows.entries()) {
        figures.addRows(shardId, count);
        checkServices(reads[index] as ShardQuery, count, limits.maxGroups);
      }
      round.set(shardId, parts);
      const flawed = inexact.flatMap((reason, index) =>
        reason === undefined ? [] : [{ query: reads[index] as ShardQuery, reason }],
      );
      flaws.set(shardId, [...(flaws.get(shardId) ?? []), ...flawed]);
      const wasCut = before?.slot.kind === 'cut' ? { kind: 'cut', reason: before.slot.reason } : {};
      const now = { ...slot, ...wasCut, elapsedMs } as Slot<unknown>;
      seen.set(shardId, { asOf, slot: now });
      return false;
    }
    const mayMoveOn = slot.kind === 'gone' && !pinned.has(shardId);
    if (mayMoveOn && !startedAnew.has(shardId)) {
      forget(shardId);
      startedAnew.add(shardId);
      return true;
    }
    leaveOut({ ...slot, elapsedMs, kind: mayMoveOn ? 'failed' : slot.kind });
    return before !== undefined || isStrict;
  }

  function leaveOut(slot: Slot<unknown>): void {
    forget(slot.shardId);
    seen.set(slot.shardId, { slot });
  }

  /** A strict answer that has lost a shard is of no use, so that no further round is worth asking. */
  function abandonOthers(failedId: string): void {
    for (const { asOf, slot } of [...seen.values()]) {
      if (asOf === undefined || slot.kind !== 'answered') continue;
      const { shardId, elapsedMs } = slot;
      leaveOut({ shardId, elapsedMs, kind: 'abandoned', reason: `not waited for: ${failedId} had failed` });
    }
  }

  return {
    askTogether: askTogether as ReadSession['askTogether'],
    async ask(name, request) {
      const [parts] = await askTogether([{ name, request } as ShardQuery]);
      return parts as readonly RowPart[];
    },
    exclude(shardId, reason) {
      const elapsedMs = seen.get(shardId)?.slot.elapsedMs ?? 0;
      leaveOut({ shardId, elapsedMs, kind: 'failed', reason });
      if (isStrict) abandonOthers(shardId);
    },
    slots: () =>
      shards.map(
        ({ id }) =>
          seen.get(id)?.slot ?? { shardId: id, elapsedMs: 0, kind: 'abandoned', reason: 'was not asked' },
      ),
    inexact: () => [...flaws.values()].flat(),
    commits: () =>
      new Map([...seen].flatMap(([id, { asOf }]) => (asOf === undefined ? [] : [[id, asOf] as const]))),
  };
}

const NONE: ReadonlyMap<string, string> = new Map();

interface Seen {
  /** Absent when the shard is out. */
  readonly asOf?: string;
  readonly slot: Slot<unknown>;
}

/** Reads that count groups ask for one more than may be, and say themselves that there are too many. */
function checkServices({ name }: ShardQuery, rows: number, maxGroups: number): void {
  if (name !== 'services' || rows <= maxGroups) return;
  throw new Refused(413, `a shard has ${rows} services, more than query.maxGroups (${maxGroups})`);
}
