import type { ShardReadName } from '../shared/read/contract.ts';
import type { Clock } from '../shared/time.ts';
import type { Topology } from '../shared/topology/topology.ts';
import { type Completeness, completenessHeaders, completenessOf, nameMissing } from './completeness.ts';
import { fanOut, type Slot } from './fan-out.ts';
import { BrokenPart, type RowPart } from './merge/row-part.ts';
import { flag, parseParams, timeoutMs } from './params.ts';
import type { Combined, Read, ReadQuery } from './reads/read.ts';
import type { ShardClient } from './shard-client.ts';
import type { ShardLog } from './shard-log.ts';

export interface ReadDeps {
  readonly client: ShardClient;
  readonly topology: () => Topology;
  readonly clock: Clock;
  readonly shardLog: ShardLog;
  /** Deadline of a read; a request can only lower it. */
  readonly timeoutMs: number;
  readonly maxRows: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string;
}

/** Parameters of every read: how long to wait, and whether an incomplete answer will do. */
const ANSWER_PARAMS = { timeout: timeoutMs, partial: flag };
const NANOS_PER_MS = 1_000_000n;

/** Parses, asks all shards, combines what they have and says what is missing. */
export async function runRead<N extends ShardReadName>(
  read: Read<N>,
  deps: ReadDeps,
  { query, signal }: { readonly query: ReadQuery; readonly signal: AbortSignal },
): Promise<Answer> {
  const answerParams = parseParams(query.search, ANSWER_PARAMS);
  if (answerParams.kind === 'bad') return badRequest(answerParams.error);
  const nowNs = BigInt(deps.clock.now()) * NANOS_PER_MS;
  const parsed = read.parse(query, { nowNs, maxRows: deps.maxRows });
  if (parsed.kind === 'bad') return badRequest(parsed.error);

  const { request } = parsed;
  const { timeout = deps.timeoutMs, partial = true } = answerParams.values;
  const slots = await fanOut({
    shards: deps.topology().shards,
    call: (shard, callSignal) => deps.client.read(shard, { name: read.shardRead, request }, callSignal),
    timeoutMs: Math.min(timeout, deps.timeoutMs),
    signal,
    failFast: !partial,
  });
  const merged = combineSlots(slots, parts => read.combine(parts, request));
  deps.shardLog.record(merged.slots);
  return answerOf(merged, { isStrict: !partial });
}

interface Merged {
  readonly combined: Combined;
  readonly slots: readonly Slot<RowPart>[];
}

/** A part may prove broken only when it is merged; its shard has then failed like any other. */
function combineSlots(
  slots: readonly Slot<RowPart>[],
  combine: (parts: readonly RowPart[]) => Combined,
): Merged {
  try {
    return { combined: combine(slots.flatMap(slot => ('value' in slot ? [slot.value] : []))), slots };
  } catch (error) {
    if (!(error instanceof BrokenPart)) throw error;
    const { shardId, message: reason } = error;
    const rest = slots.map(slot => {
      if (slot.shardId !== shardId) return slot;
      return { shardId, elapsedMs: slot.elapsedMs, kind: 'failed', reason } as const;
    });
    return combineSlots(rest, combine);
  }
}

/**
 * Found although shards are missing is an answer, unless the client asked for all or nothing; not found while shards
 * are missing is not known, so it is 404 only when every shard said no.
 */
function answerOf({ combined, slots }: Merged, { isStrict }: { readonly isStrict: boolean }): Answer {
  const shards = completenessOf(slots);
  const isPartial = shards.failed.length > 0;
  const refuse = (status: 404 | 503, error: string) => envelope(status, shards, errorMember(error));

  if (isPartial && isStrict) {
    return refuse(503, `partial=false and not every shard answered: ${nameMissing(shards)}`);
  }
  if (!slots.some(slot => 'value' in slot)) return refuse(503, `no shard answered: ${nameMissing(shards)}`);
  if (combined.kind === 'found') return envelope(200, shards, combined.members);
  if (!isPartial) return refuse(404, `${combined.what} not found`);
  return refuse(503, `${combined.what} not found, but not every shard answered: ${nameMissing(shards)}`);
}

function envelope(status: number, shards: Completeness, members: string): Answer {
  const partial = shards.failed.length > 0;
  return {
    status,
    headers: completenessHeaders(shards),
    body: `{${members},"partial":${partial},"shards":${JSON.stringify(shards)}}`,
  };
}

function badRequest(error: string): Answer {
  return { status: 400, headers: {}, body: `{${errorMember(error)}}` };
}

function errorMember(error: string): string {
  return `"error":${JSON.stringify(error)}`;
}
