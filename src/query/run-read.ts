import type { Clock } from '../shared/time.ts';
import type { Topology } from '../shared/topology/topology.ts';
import { type Completeness, completenessHeaders, completenessOf, nameMissing } from './completeness.ts';
import { shardTimeoutMs } from './deadline.ts';
import { explained } from './explain.ts';
import type { Slot } from './fan-out.ts';
import type { Gate } from './gate.ts';
import type { HoldingShards } from './holdings.ts';
import { mergeRows } from './merge/k-way.ts';
import { BrokenPart } from './merge/row-part.ts';
import { flag, parseParams, timeoutMs } from './params.ts';
import { createReadFigures, type ReadCost } from './read-figures.ts';
import {
  type Combined,
  type Plan,
  type Read,
  type ReadQuery,
  type RowPlan,
  rowsMember,
} from './reads/read.ts';
import { Refused } from './refused.ts';
import type { ShardClient } from './shard-client.ts';
import type { ShardLog } from './shard-log.ts';
import { type AnswerLimits, createReadSession, type ReadSession, StartOver } from './shard-reads.ts';
import type { SlowLog } from './slow-log.ts';
import { windowError } from './window-limit.ts';

export interface ReadDeps {
  readonly client: ShardClient;
  readonly topology: () => Topology;
  readonly holding: HoldingShards;
  readonly clock: Clock;
  readonly gate: Gate;
  readonly shardLog: ShardLog;
  readonly slowLog: SlowLog;
  /** Deadline of a read; a request can only lower it. */
  readonly timeoutMs: number;
  readonly limits: ReadLimits;
}

export interface ReadLimits extends AnswerLimits {
  /** Largest `limit`. */
  readonly maxRows: number;
  /** Longest window that a request may name; 0 for any. */
  readonly maxWindowMs: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string;
}

/** Parameters of every read: how long to wait, whether an incomplete answer will do, and whether to tell its cost. */
const ANSWER_PARAMS = { timeout: timeoutMs, partial: flag, explain: flag };
const NANOS_PER_MS = 1_000_000n;
/** Of its time, so that enough is left to answer in. */
const WAITING_SHARE = 0.5;
const RETRY_AFTER_S = '1';

/** Plans, waits for its turn, asks all shards, combines what they have and says what is missing. */
export async function runRead(
  read: Read,
  deps: ReadDeps,
  { query, signal }: { readonly query: ReadQuery; readonly signal: AbortSignal },
): Promise<Answer> {
  const startMs = performance.now();
  const answerParams = parseParams(query.search, ANSWER_PARAMS);
  if (answerParams.kind === 'bad') return refusal(400, answerParams.error);
  const { timeout = deps.timeoutMs, partial = true, explain = false } = answerParams.values;
  const badWindow = windowError(query.search, deps.limits.maxWindowMs);
  if (badWindow !== undefined) return refusal(400, badWindow);
  const nowNs = BigInt(deps.clock.now()) * NANOS_PER_MS;
  const plan = read.plan(query, { nowNs, maxRows: deps.limits.maxRows });
  if (plan.kind === 'bad') return refusal(400, plan.error);

  const limitMs = Math.min(timeout, deps.timeoutMs);
  const figures = createReadFigures({ startMs, maxBytes: deps.limits.maxAnswerBytes });
  const work = async () => {
    figures.begin();
    const session = createReadSession({
      ...deps,
      shards: deps.holding.among(deps.topology().shards),
      startMs,
      timeoutMs: shardTimeoutMs(limitMs),
      signal,
      isStrict: !partial,
      figures,
    });
    const combined = await combine(plan, session);
    deps.shardLog.record(session.slots());
    const cost = figures.soFar();
    const answer = answerOf(combined, session.slots(), {
      isStrict: !partial,
      cost: explain ? cost : undefined,
    });
    deps.slowLog.record({ read: read.name, ...query, status: answer.status, cost });
    return answer;
  };
  const passed = await deps.gate.pass(work, { signal, waitMs: limitMs * WAITING_SHARE });
  return passed.kind === 'done' ? passed.value : busy(passed.reason);
}

/** A shard may prove broken only when its rows are looked at; it has then failed like any other. */
async function combine(plan: Plan, session: ReadSession): Promise<Combined> {
  for (;;) {
    try {
      return await (plan.kind === 'rows' ? mergedRows(plan, session) : plan.answer(session));
    } catch (error) {
      if (error instanceof Refused) return { kind: 'refused', status: error.status, error: error.message };
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

interface AnswerOptions {
  readonly isStrict: boolean;
  /** What the read cost, when it was asked for. */
  readonly cost: ReadCost | undefined;
}

/**
 * Found although shards are missing is an answer, unless the client asked for all or nothing; not found while shards
 * are missing is not known, so it is 404 only when every shard said no. The question is at fault when no shard could
 * answer it and one says what is wrong with it.
 */
function answerOf(
  combined: Combined,
  slots: readonly Slot<unknown>[],
  { isStrict, cost }: AnswerOptions,
): Answer {
  const shards = completenessOf(slots);
  const isPartial = shards.failed.length > 0;
  const refuse = (status: 404 | 503, error: string) => envelope(status, shards, errorMember(error), cost);

  if (combined.kind === 'refused') return refusal(combined.status, combined.error);
  const hasAnswer = slots.some(slot => 'value' in slot);
  const fault = slots.find(slot => slot.kind === 'refused');
  if (!hasAnswer && fault !== undefined) return refusal(400, fault.reason);
  if (isPartial && isStrict) {
    return refuse(503, `partial=false and not every shard answered: ${nameMissing(shards)}`);
  }
  if (!hasAnswer) return refuse(503, `no shard answered: ${nameMissing(shards)}`);
  if (combined.kind === 'found') return envelope(200, shards, combined.members, cost);
  if (!isPartial) return refuse(404, `${combined.what} not found`);
  return refuse(503, `${combined.what} not found, but not every shard answered: ${nameMissing(shards)}`);
}

function envelope(status: number, shards: Completeness, members: string, cost: ReadCost | undefined): Answer {
  const partial = shards.failed.length > 0;
  const explain = cost === undefined ? '' : `,"explain":${JSON.stringify(explained(cost))}`;
  return {
    status,
    headers: completenessHeaders(shards),
    body: `{${members},"partial":${partial},"shards":${JSON.stringify(shards)}${explain}}`,
  };
}

function refusal(status: 400 | 413, error: string): Answer {
  return { status, headers: {}, body: `{${errorMember(error)}}` };
}

function busy(reason: string): Answer {
  const headers = { 'Retry-After': RETRY_AFTER_S };
  return { status: 503, headers, body: `{${errorMember(`too many queries: ${reason}`)}}` };
}

function errorMember(error: string): string {
  return `"error":${JSON.stringify(error)}`;
}
