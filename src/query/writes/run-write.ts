import type { Clock } from '../../shared/time.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import { ownerOf, type ShardSpec, type Topology } from '../../shared/topology/topology.ts';
import { waitingTimeMs } from '../deadline.ts';
import { fanOut, type Slot } from '../fan-out.ts';
import { type Gate, RETRY_LATER } from '../gate.ts';
import type { HoldingShards } from '../holdings.ts';
import type { CallOutcome } from '../shard-call.ts';
import type { ShardClient } from '../shard-client.ts';
import { type Holder, holderOf } from './holder-of-span.ts';
import { identityOf, parseIdempotencyKey } from './idempotency-key.ts';
import type { ShardReply, ShardWriteRequest } from './shard-write.ts';
import type { Write, WritePlan, WriteRequest } from './write.ts';

export interface WriteDeps {
  readonly client: ShardClient;
  readonly topology: () => Topology;
  readonly holding: HoldingShards;
  readonly hash: Pick<Hash, 'slot'>;
  readonly clock: Clock;
  readonly newId: () => string;
  /** Bounds how many writes are with shards at once. */
  readonly writeGate: Gate;
  /** Deadline of a write, its repeat included. */
  readonly timeoutMs: number;
}

export interface WriteAnswer {
  readonly status: 201 | 400 | 413 | 415 | 422 | 503;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string;
}

const NANOS_PER_MS = 1_000_000n;

interface WriteCall extends WriteRequest {
  /** Aborted when the client is gone. */
  readonly gone: AbortSignal;
}

/**
 * Sends a write to the one shard that owns it, or has what it replaces, and answers when it is durable there. Never to
 * another shard, where a repeat would not be recognised. A shard's no is passed on; without an answer it is a 503 that
 * names the shard, and whether the write is stored is not known.
 */
export async function runWrite(
  write: Write,
  deps: WriteDeps,
  { gone, ...request }: WriteCall,
): Promise<WriteAnswer> {
  const startMs = performance.now();
  const { clock, newId, timeoutMs, writeGate } = deps;
  const parsed = parseIdempotencyKey(request.idempotencyKey);
  if (parsed.kind === 'bad') return refusal(400, parsed.error);
  const { key } = parsed;
  const scope = [write.name, ...Object.values(request.path)];
  const identity = key === undefined ? { id: newId() } : identityOf(key, { scope, body: request.body });
  const plan = write.plan(request, { nowNs: BigInt(clock.now()) * NANOS_PER_MS, identity });
  if (plan.kind === 'refused') return refusal(plan.status, plan.error);
  const turn = await takeTurn(writeGate, { gone, waitMs: waitingTimeMs(timeoutMs) });
  if (turn.kind === 'refused') return refusal(503, turn.reason);
  return send(write, plan, { ...deps, startMs }).finally(turn.end);
}

async function send(
  write: Write,
  plan: WritePlan,
  deps: WriteDeps & { readonly startMs: number },
): Promise<WriteAnswer> {
  const { client, hash } = deps;
  const topology = deps.topology();
  const owner = ownerOf(topology, hash.slot(plan.key));
  const target: Holder =
    plan.replaces === undefined
      ? { kind: 'known', shard: owner }
      : await holderOf(plan.replaces, { ...deps, topology, owner });
  if (target.kind === 'unknown') {
    const { shardId, reason } = target;
    return refusal(503, `${write.name} not stored, as shard ${shardId} may have what it replaces: ${reason}`);
  }
  const { shard } = target;
  const [slot] = await fanOut({
    ...deps,
    shards: [shard],
    call: (_shard, signal) => callShard(client, { shard, request: plan[shard.kind], signal }),
    // Not ended when the client leaves: what is on its way may be stored, and then is.
    signal: new AbortController().signal,
    failFast: false,
  });
  return answerOf(slot as Slot<ShardReply>, { write, answer: plan.answer, shard });
}

type Turn =
  | { readonly kind: 'entered'; readonly end: () => void }
  | { readonly kind: 'refused'; readonly reason: string };

/** Who leaves while waiting has no turn; a write that has one keeps it to its end. */
async function takeTurn(
  gate: Gate,
  { gone, waitMs }: { readonly gone: AbortSignal; readonly waitMs: number },
): Promise<Turn> {
  const turn = new AbortController();
  const end = () => turn.abort();
  gone.addEventListener('abort', end, { once: true });
  if (gone.aborted) end();
  const entered = await gate.enter({ signal: turn.signal, waitMs });
  gone.removeEventListener('abort', end);
  return entered.kind === 'entered' ? { kind: 'entered', end } : entered;
}

/** A tael-server does not recognise a repeat: there a write whose answer was lost must not be sent once more. */
async function callShard(
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
  readonly shard: ShardSpec;
}

function answerOf(slot: Slot<ShardReply>, { write, answer, shard }: Asked): WriteAnswer {
  if (slot.kind !== 'answered') {
    const error = `${write.name} not confirmed by its shard ${slot.shardId}: ${slot.reason}`;
    return refusal(503, error);
  }
  const reply = slot.value;
  if (reply.kind === 'conflict')
    return refusal(422, `another ${write.name} was written with this Idempotency-Key`);
  if (reply.kind === 'refused') return refusal(reply.status, reply.error);
  const body = shard.kind === 'embedded' ? answer(reply.json) : reply.json;
  return { status: 201, headers: {}, body };
}

function refusal(status: WriteAnswer['status'], error: string): WriteAnswer {
  return { status, headers: status === 503 ? RETRY_LATER : {}, body: JSON.stringify({ error }) };
}
