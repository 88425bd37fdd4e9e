import type { Clock } from '../shared/time.ts';
import type { Topology } from '../shared/topology/topology.ts';
import { type Completeness, completenessHeaders, completenessOf, nameMissing } from './completeness.ts';
import type { Slot } from './fan-out.ts';
import { mergeRows } from './merge/k-way.ts';
import { BrokenPart } from './merge/row-part.ts';
import { flag, parseParams, timeoutMs } from './params.ts';
import {
  type Combined,
  type Plan,
  type Read,
  type ReadQuery,
  type RowPlan,
  rowsMember,
} from './reads/read.ts';
import type { ShardClient } from './shard-client.ts';
import type { ShardLog } from './shard-log.ts';
import { createReadSession, type ReadSession, StartOver } from './shard-reads.ts';

export interface ReadDeps {
  readonly client: ShardClient;
  readonly topology: () => Topology;
  readonly clock: Clock;
  readonly shardLog: ShardLog;
  /** Deadline of a read; a request can only lower it. */
  readonly timeoutMs: number;
  readonly maxRows: number;
  readonly maxEvalRows: number;
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

/** Plans, asks all shards, combines what they have and says what is missing. */
export async function runRead(
  read: Read,
  deps: ReadDeps,
  { query, signal }: { readonly query: ReadQuery; readonly signal: AbortSignal },
): Promise<Answer> {
  const answerParams = parseParams(query.search, ANSWER_PARAMS);
  if (answerParams.kind === 'bad') return refusal(400, answerParams.error);
  const nowNs = BigInt(deps.clock.now()) * NANOS_PER_MS;
  const plan = read.plan(query, { nowNs, maxRows: deps.maxRows, maxEvalRows: deps.maxEvalRows });
  if (plan.kind === 'bad') return refusal(400, plan.error);

  const { timeout = deps.timeoutMs, partial = true } = answerParams.values;
  const session = createReadSession({
    shards: deps.topology().shards,
    movedSlots: [],
    client: deps.client,
    timeoutMs: Math.min(timeout, deps.timeoutMs),
    signal,
    isStrict: !partial,
  });
  const combined = await combine(plan, session);
  deps.shardLog.record(session.slots());
  return answerOf(combined, session.slots(), { isStrict: !partial });
}

/** A shard may prove broken only when its rows are looked at; it has then failed like any other. */
async function combine(plan: Plan, session: ReadSession): Promise<Combined> {
  for (;;) {
    try {
      return await (plan.kind === 'rows' ? mergedRows(plan, session) : plan.answer(session));
    } catch (error) {
      if (error instanceof BrokenPart) session.exclude(error.shardId, error.message);
      else if (!(error instanceof StartOver)) throw error;
    }
  }
}

async function mergedRows(plan: RowPlan, session: ReadSession): Promise<Combined> {
  const { head, tail, member, missing } = plan;
  const rows = mergeRows({ ...plan, parts: await session.ask(plan.shardRead, plan.request) });
  if (rows.length === 0 && missing !== undefined) return { kind: 'not-found', what: missing };
  const members = [head, rowsMember(member, rows), tail?.(rows.length)];
  return { kind: 'found', members: members.filter(each => each !== undefined).join(',') };
}

/**
 * Found although shards are missing is an answer, unless the client asked for all or nothing; not found while shards
 * are missing is not known, so it is 404 only when every shard said no.
 */
function answerOf(
  combined: Combined,
  slots: readonly Slot<unknown>[],
  { isStrict }: { readonly isStrict: boolean },
): Answer {
  const shards = completenessOf(slots);
  const isPartial = shards.failed.length > 0;
  const refuse = (status: 404 | 503, error: string) => envelope(status, shards, errorMember(error));

  if (isPartial && isStrict) {
    return refuse(503, `partial=false and not every shard answered: ${nameMissing(shards)}`);
  }
  if (!slots.some(slot => 'value' in slot)) return refuse(503, `no shard answered: ${nameMissing(shards)}`);
  if (combined.kind === 'refused') return refusal(combined.status, combined.error);
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

function refusal(status: 400 | 413, error: string): Answer {
  return { status, headers: {}, body: `{${errorMember(error)}}` };
}

function errorMember(error: string): string {
  return `"error":${JSON.stringify(error)}`;
}
