import type { ShardSpec } from '../shared/topology/topology.ts';
import { type Answer, answerOf, busy, refusal } from './answer.ts';
import { createCallMeter } from './call-meter.ts';
import { shardTimeoutMs, waitingTimeMs } from './deadline.ts';
import { fanOut } from './fan-out.ts';
import { anyText, badValue, parseParams, timeoutMs as timeoutParam } from './params.ts';
import type { ReadDeps } from './run-read.ts';
import type { ShardClient } from './shard-client.ts';

type SqlDeps = Pick<ReadDeps, 'gate' | 'held' | 'topology' | 'timeoutMs'> & {
  readonly client: Pick<ShardClient, 'sql'>;
};

const PARAMS = { q: anyText, shard: anyText, timeout: timeoutParam };

/**
 * `GET /api/v1/sql?q=&shard=` (contract §1.4, G6): what one shard says to a SELECT. There is no SQL over several: only
 * a topology of one shard needs no `shard`.
 */
export async function readSql(
  { client, gate, held, topology, timeoutMs }: SqlDeps,
  { search, signal }: { readonly search: URLSearchParams; readonly signal: AbortSignal },
): Promise<Answer> {
  const startMs = performance.now();
  const parsed = parseParams(search, PARAMS);
  if (parsed.kind === 'bad') return refusal(400, parsed.error);
  const { q, shard: id, timeout = timeoutMs } = parsed.values;
  if (q === undefined || q === '') return refusal(400, 'q is missing: expected one SELECT');
  const shard = shardOf(topology().shards, id);
  if (typeof shard === 'string') return refusal(400, shard);

  const limitMs = Math.min(timeout, timeoutMs);
  const turn = await gate.enter({ signal, waitMs: waitingTimeMs(limitMs) });
  if (turn.kind === 'refused') return busy(turn.reason);
  const share = held.open(signal);
  const slots = await fanOut({
    shards: [shard],
    call: (asked, callSignal) => client.sql(asked, q, callSignal, createCallMeter(share.take)),
    timeoutMs: shardTimeoutMs(limitMs),
    startMs,
    signal,
    failFast: false,
  });
  const notHeld = share.refusal();
  if (notHeld !== undefined) return busy(notHeld);
  const [members = ''] = slots.flatMap(slot => ('value' in slot ? [slot.value] : []));
  return answerOf({ kind: 'found', members }, slots, { isStrict: false, tellCost: () => undefined });
}

/** The shard to ask, or why there is none. */
function shardOf(shards: readonly ShardSpec[], id: string | undefined): ShardSpec | string {
  const [only, second] = shards;
  const known = `one of ${shards.map(shard => shard.id).join(', ')}`;
  if (id !== undefined) return shards.find(shard => shard.id === id) ?? badValue('shard', id, known);
  if (only !== undefined && second === undefined) return only;
  return `shard is missing: SQL runs on one shard, not over several, expected ${known}`;
}
