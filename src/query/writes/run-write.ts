import type { Clock } from '../../shared/time.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import { ownerOf, type ShardSpec, type Topology } from '../../shared/topology/topology.ts';
import { fanOut, type Slot } from '../fan-out.ts';
import type { CallOutcome } from '../shard-call.ts';
import type { ShardClient } from '../shard-client.ts';
import type { ShardReply, ShardWriteRequest } from './shard-write.ts';
import type { Write, WriteRequest } from './write.ts';

export interface WriteDeps {
  readonly client: ShardClient;
  readonly topology: () => Topology;
  readonly hash: Pick<Hash, 'slot'>;
  readonly clock: Clock;
  readonly newId: () => string;
  /** Deadline of a write, its repeat included. */
  readonly timeoutMs: number;
}

export interface WriteAnswer {
  readonly status: 201 | 400 | 413 | 415 | 503;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string;
}

const NANOS_PER_MS = 1_000_000n;
const RETRY_AFTER_S = '1';

/**
 * Sends a write to the one shard that owns it and answers when it is durable there. Never to another shard, where a
 * repeat would not be recognised. A shard's no is passed on; without an answer it is a 503 that names the shard, and
 * whether the write is stored is not known.
 */
export async function runWrite(write: Write, deps: WriteDeps, request: WriteRequest): Promise<WriteAnswer> {
  const { topology, hash, clock, newId, timeoutMs, client } = deps;
  const plan = write.plan(request, { nowNs: BigInt(clock.now()) * NANOS_PER_MS, newId });
  if (plan.kind === 'refused') return refusal(plan.status, plan.error);
  const owner = ownerOf(topology(), hash.slot(plan.key));
  const [slot] = await fanOut({
    shards: [owner],
    call: (shard, signal) => callOwner(client, { shard, request: plan[shard.kind], signal }),
    timeoutMs,
    // Not ended when the client leaves: what is on its way may be stored, and then is.
    signal: new AbortController().signal,
    failFast: false,
  });
  return answerOf(slot as Slot<ShardReply>, { write, answer: plan.answer, owner });
}

/** A tael-server does not recognise a repeat: there a write whose answer was lost must not be sent once more. */
async function callOwner(
  client: WriteDeps['client'],
  {
    shard,
    request,
    signal,
  }: { readonly shard: ShardSpec; readonly request: ShardWriteRequest; readonly signal: AbortSignal },
): Promise<CallOutcome<ShardReply>> {
  const outcome = await client.write(shard, request, signal);
  const isFinal = shard.kind === 'tael' && outcome.kind === 'unreachable';
  return isFinal ? { ...outcome, kind: 'failed' } : outcome;
}

interface Asked {
  readonly write: Write;
  readonly answer: (shardJson: string) => string;
  readonly owner: ShardSpec;
}

function answerOf(slot: Slot<ShardReply>, { write, answer, owner }: Asked): WriteAnswer {
  if (slot.kind !== 'answered') {
    const error = `${write.name} not confirmed by its shard ${slot.shardId}: ${slot.reason}`;
    return { ...refusal(503, error), headers: { 'Retry-After': RETRY_AFTER_S } };
  }
  const reply = slot.value;
  if (reply.kind === 'refused') return refusal(reply.status, reply.error);
  const body = owner.kind === 'embedded' ? answer(reply.json) : reply.json;
  return { status: 201, headers: {}, body };
}

function refusal(status: WriteAnswer['status'], error: string): WriteAnswer {
  return { status, headers: {}, body: JSON.stringify({ error }) };
}
