import type { Clock } from '../shared/time.ts';
import type { ShardSpec, Topology } from '../shared/topology/topology.ts';
import { type Answer, answerOf, envelope, errorMember, refusal, streamedAnswerOf } from './answer.ts';
import { completenessOf } from './completeness.ts';
import { BrokenPart } from './merge/row-part.ts';
import { flag, parseParams, timeoutMs } from './params.ts';
import type { Combined, Read, ReadQuery, RowPlan, StatePlan } from './reads/read.ts';
import { pageOf } from './rows/page.ts';
import { MAX_HELD_BYTES, type RowsOutcome, runRows } from './rows/run-rows.ts';
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
  const asked: Asked = {
    read,
    query,
    deps,
    shards: deps.topology().shards,
    timeoutMs: Math.min(timeout, deps.timeoutMs),
    signal,
    isStrict: !partial,
  };
  return plan.kind === 'rows' ? answerRows(plan, asked) : answerStates(plan, asked);
}

interface Asked {
  readonly read: Read;
  readonly query: ReadQuery;
  readonly deps: ReadDeps;
  readonly shards: readonly ShardSpec[];
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly isStrict: boolean;
}

async function answerStates(plan: StatePlan, asked: Asked): Promise<Answer> {
  const { deps, isStrict } = asked;
  const session = createReadSession({ ...asked, client: deps.client, movedSlots: [] });
  const combined = await combine(plan, session);
  deps.shardLog.record(session.slots());
  return answerOf(combined, session.slots(), { isStrict });
}

/** A shard may prove broken only when its rows are looked at; it has then failed like any other. */
async function combine(plan: StatePlan, session: ReadSession): Promise<Combined> {
  for (;;) {
    try {
      return await plan.answer(session);
    } catch (error) {
      if (error instanceof BrokenPart) session.exclude(error.shardId, error.message);
      else if (!(error instanceof StartOver)) throw error;
    }
  }
}

async function answerRows(plan: RowPlan, asked: Asked): Promise<Answer> {
  const { read, query, deps, isStrict } = asked;
  const page = pageOf({ readName: read.name, plan, search: query.search });
  if ('kind' in page) return refusal(400, page.error);
  const outcome = await runRows({ ...asked, page, client: deps.client });
  if (outcome.kind === 'streamed') return streamedAnswerOf(logged(outcome, deps.shardLog), outcome.slots);
  deps.shardLog.record(outcome.slots);
  switch (outcome.kind) {
    case 'held': {
      const { rowCount, members, slots } = outcome;
      const isMissing = rowCount === 0 && plan.missing !== undefined;
      const combined: Combined = isMissing
        ? { kind: 'not-found', what: plan.missing }
        : { kind: 'found', members };
      return answerOf(combined, slots, { isStrict });
    }
    case 'gone':
      return envelope(410, completenessOf(outcome.slots), errorMember(`the cursor cannot go on: ${outcome.reason}`));
    case 'too-large':
      return refusal(413, tooLarge(plan));
  }
}

async function* logged(
  { pieces, slots }: Extract<RowsOutcome, { kind: 'streamed' }>,
  shardLog: ShardLog,
): AsyncGenerator<Buffer> {
  yield* pieces;
  shardLog.record(slots());
}

const BYTES_PER_MIB = 1024 * 1024;

function tooLarge({ isPaged = false }: RowPlan): string {
  const most = `partial=false holds at most ${MAX_HELD_BYTES / BYTES_PER_MIB} MiB of rows, and there are more`;
  return isPaged ? `${most}: lower limit or last, or leave partial=false out` : `${most}: leave partial=false out`;
}
