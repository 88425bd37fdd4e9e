import type { Holdings } from '../shared/read/contract.ts';
import { parseRowLine } from '../shared/read/ndjson.ts';
import type { Clock } from '../shared/time.ts';
import type { ShardSpec } from '../shared/topology/topology.ts';
import type { ShardClient } from './shard-client.ts';

/** Which of the shards that left the topology still hold data. */
export interface HoldingShards {
  /**
   * The shards without those removed ones that said a moment ago that they hold nothing. Whatever is not known to be
   * empty is asked: one that cannot be reached may hold something, and is then missing from the answer. So are those that
   * are named as asked before, as the next page is of the same shards.
   */
  among(shards: readonly ShardSpec[], askedBefore?: ReadonlySet<string>): readonly ShardSpec[];
  /** The shards without those removed ones that did not say a moment ago that they hold something. */
  sureAmong(shards: readonly ShardSpec[]): readonly ShardSpec[];
}

export interface HoldingShardsOptions {
  readonly client: Pick<ShardClient, 'reader'>;
  /** A steady one: what a shard said must not hold for longer when the time is set. */
  readonly clock: Clock;
}

/** A removed shard is still delivered what was queued for it, so that empty is not for ever. */
const SAID_FOR_MS = 30_000;
const ASK_EVERY_MS = 10_000;
const TIMEOUT_MS = 5_000;

/** Asks removed shards what they hold, besides the reads, and never has a read wait for it. */
export function createHoldingShards({ client, clock }: HoldingShardsOptions): HoldingShards {
  const said = new Map<string, { readonly isEmpty: boolean; readonly atMs: number }>();
  const askedAtMs = new Map<string, number>();

  async function ask(shard: ShardSpec): Promise<void> {
    const reads = [{ name: 'holdings', request: {} }] as const;
    const outcome = await client.reader().snapshot(shard, { reads }, AbortSignal.timeout(TIMEOUT_MS));
    if (outcome.kind !== 'answered') said.delete(keyOf(shard));
    else said.set(keyOf(shard), { isEmpty: holdsNothing(outcome.value.parts[0]?.lines), atMs: clock.now() });
  }

  /** What a removed shard said a moment ago; it is asked again when that is a while ago. */
  function isEmpty(shard: ShardSpec): boolean | undefined {
    const nowMs = clock.now();
    const isWithin = (atMs: number | undefined, ms: number) => atMs !== undefined && nowMs - atMs < ms;
    const key = keyOf(shard);
    if (!isWithin(askedAtMs.get(key), ASK_EVERY_MS)) {
      askedAtMs.set(key, nowMs);
      void ask(shard);
    }
    const last = said.get(key);
    return isWithin(last?.atMs, SAID_FOR_MS) ? last?.isEmpty : undefined;
  }

  return {
    among: (shards, askedBefore) =>
      shards.filter(
        shard => shard.state !== 'removed' || askedBefore?.has(shard.id) || isEmpty(shard) !== true,
      ),
    sureAmong: shards => shards.filter(shard => shard.state !== 'removed' || isEmpty(shard) === false),
  };
}

function keyOf({ id, read }: ShardSpec): string {
  return `${id} ${read}`;
}

/** Anything that cannot be understood is something. */
function holdsNothing(lines: Buffer | undefined): boolean {
  try {
    const { rowJson } = parseRowLine(lines?.toString('utf8').trimEnd() ?? '');
    const { spans, logs, metrics, comments, blobs } = JSON.parse(rowJson) as Holdings;
    return [spans, logs, metrics, comments, blobs].every(count => count === 0);
  } catch {
    return false;
  }
}
