import type { ShardSpec } from '../shared/topology/topology.ts';
import { fanOut, type Slot } from './fan-out.ts';
import type { RowPart } from './merge/row-part.ts';
import type { ShardQuery, ShardReads } from './reads/read.ts';
import type { ShardClient, SnapshotRows } from './shard-client.ts';

export interface ShardReadsOptions {
  readonly shards: readonly ShardSpec[];
  readonly movedSlots: ShardReads['movedSlots'];
  readonly client: Pick<ShardClient, 'snapshot'>;
  /** Of the whole answer, all rounds included. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Whether one missing shard makes the answer useless. */
  readonly isStrict: boolean;
}

/** The rounds of one answer. */
export interface ReadSession extends ShardReads {
  /** Leaves a shard out from here on, as one that failed. What has been computed with its rows must be computed again. */
  exclude(shardId: string, reason: string): void;
  /** What became of each shard over all rounds, in their order. */
  slots(): readonly Slot<unknown>[];
}

/**
 * A round lost a shard that earlier rounds have rows of, or the answer is strict and has lost one: what was computed so
 * far must not be shown. Run the plan again; what the remaining shards gave is remembered.
 */
export class StartOver extends Error {}

/**
 * Pins the snapshot of each shard in its first round. A shard whose snapshot retention has deleted since is read anew
 * from the start, once.
 */
export function createReadSession(options: ShardReadsOptions): ReadSession {
  const { shards, client, timeoutMs, signal, isStrict } = options;
  const startMs = performance.now();
  const seen = new Map<string, Seen>();
  const remembered = new Map<string, Map<string, readonly RowPart[]>>();
  const startedAnew = new Set<string>();

  const isOut = ({ id }: ShardSpec) => seen.has(id) && seen.get(id)?.asOf === undefined;

  function forget(shardId: string): void {
    seen.delete(shardId);
    for (const round of remembered.values()) round.delete(shardId);
  }

  async function askTogether(reads: readonly ShardQuery[]): Promise<(readonly RowPart[])[]> {
    const key = JSON.stringify(reads);
    const round = remembered.get(key) ?? new Map<string, readonly RowPart[]>();
    remembered.set(key, round);
    const slots = await fanOut({
      shards: shards.filter(shard => !isOut(shard) && !round.has(shard.id)),
      call: (shard, callSignal) =>
        client.snapshot(shard, { asOf: seen.get(shard.id)?.asOf, reads }, callSignal),
      timeoutMs,
      startMs,
      signal,
      failFast: isStrict,
    });
    let isBroken = false;
    for (const slot of slots) isBroken = take(slot, round) || isBroken;
    if (isBroken) throw new StartOver();
    const parts = shards.flatMap(({ id }) => {
      const given = round.get(id);
      return given === undefined ? [] : [given];
    });
    return reads.map((_read, index) => parts.map(given => given[index] as RowPart));
  }

  /** Notes what a shard gave. True when what was computed before must not count. */
  function take(slot: Slot<SnapshotRows>, round: Map<string, readonly RowPart[]>): boolean {
    const { shardId } = slot;
    const before = seen.get(shardId);
    const elapsedMs = slot.elapsedMs + (before?.slot.elapsedMs ?? 0);
    if ('value' in slot) {
      round.set(shardId, slot.value.parts);
      const wasCut = before?.slot.kind === 'cut' ? { kind: 'cut', reason: before.slot.reason } : {};
      const now = { ...slot, ...wasCut, elapsedMs } as Slot<unknown>;
      seen.set(shardId, { asOf: slot.value.asOf, slot: now });
      return false;
    }
    forget(shardId);
    if (slot.kind === 'gone' && !startedAnew.has(shardId)) {
      startedAnew.add(shardId);
      return true;
    }
    seen.set(shardId, { slot: { ...slot, elapsedMs, kind: slot.kind === 'gone' ? 'failed' : slot.kind } });
    return before !== undefined || isStrict;
  }

  return {
    movedSlots: options.movedSlots,
    askTogether: askTogether as ReadSession['askTogether'],
    async ask(name, request) {
      const [parts] = await askTogether([{ name, request } as ShardQuery]);
      return parts as readonly RowPart[];
    },
    exclude(shardId, reason) {
      const elapsedMs = seen.get(shardId)?.slot.elapsedMs ?? 0;
      forget(shardId);
      seen.set(shardId, { slot: { shardId, elapsedMs, kind: 'failed', reason } });
    },
    slots: () =>
      shards.map(
        ({ id }) =>
          seen.get(id)?.slot ?? { shardId: id, elapsedMs: 0, kind: 'abandoned', reason: 'was not asked' },
      ),
  };
}

interface Seen {
  /** Absent when the shard is out. */
  readonly asOf?: string;
  readonly slot: Slot<unknown>;
}
