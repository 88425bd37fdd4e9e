import type { Clock } from '../shared/time.ts';
import type { ShardSpec, Topology } from '../shared/topology/topology.ts';
import {
  type Answer,
  type AnswerOptions,
  answerOf,
  busy,
  envelope,
  errorMember,
  refusal,
  streamedAnswerOf,
} from './answer.ts';
import { completenessOf } from './completeness.ts';
import { shardTimeoutMs, waitingTimeMs } from './deadline.ts';
import type { Gate } from './gate.ts';
import type { HeldBytes } from './held-bytes.ts';
import type { HoldingShards } from './holdings.ts';
import { inexactFields } from './inexact.ts';
import { flag, parseParams, timeoutMs } from './params.ts';
import { createReadFigures, type ReadFigures } from './read-figures.ts';
import type { Combined, Read, ReadContext, ReadQuery, RowPlan, StatePlan } from './reads/read.ts';
import { commitsOf, type Page, pageOf } from './rows/page.ts';
import { type PreparedRows, preparePage } from './rows/prepare-page.ts';
import { MAX_HELD_BYTES, type RowsOptions, type RowsOutcome, runRows } from './rows/run-rows.ts';
import type { Shares } from './rows/shares.ts';
import type { ShardClient } from './shard-client.ts';
import type { ShardLog } from './shard-log.ts';
import type { ShardReader } from './shard-reader.ts';
import { type AnswerLimits, createReadSession, runToEnd } from './shard-reads.ts';
import type { SlowLog } from './slow-log.ts';
import { windowError } from './window-limit.ts';

export interface ReadDeps {
  readonly client: ShardClient;
  readonly shares: Shares;
  readonly topology: () => Topology;
  readonly holding: HoldingShards;
  readonly clock: Clock;
  readonly gate: Gate;
  readonly held: HeldBytes;
  readonly shardLog: ShardLog;
  readonly slowLog: SlowLog;
  /** Deadline of a read; a request can only lower it. */
  readonly timeoutMs: number;
  readonly limits: ReadLimits;
}

/** What the plans of reads heed, and what their session does. */
export type ReadLimits = AnswerLimits & Omit<ReadContext, 'nowNs'>;

/** Parameters of every read: how long to wait, whether an incomplete answer will do, and whether to tell its cost. */
const ANSWER_PARAMS = { timeout: timeoutMs, partial: flag, explain: flag };
const NANOS_PER_MS = 1_000_000n;

/**
 * Plans, waits for its turn, asks all shards, combines what they have and says what is missing. The signal is aborted
 * when the client has the answer or is gone.
 */
export async function runRead(
  read: Read,
  deps: ReadDeps,
  { query, signal }: { readonly query: ReadQuery; readonly signal: AbortSignal },
): Promise<Answer> {
  const startMs = performance.now();
  const answerParams = parseParams(query.search, ANSWER_PARAMS);
  if (answerParams.kind === 'bad') return refusal(400, answerParams.error);
  const badWindow = windowError(query.search, {
    windows: read.windows ?? [],
    maxWindowMs: deps.limits.maxWindowMs,
  });
  if (badWindow !== undefined) return refusal(400, badWindow);
  const nowNs = BigInt(deps.clock.now()) * NANOS_PER_MS;
  const plan = read.plan(query, { ...deps.limits, nowNs });
  if (plan.kind === 'bad') return refusal(400, plan.error);
  const page = plan.kind === 'rows' ? pageOf({ readName: read.name, plan, search: query.search }) : undefined;
  if (page !== undefined && 'kind' in page) return refusal(400, page.error);

  const { timeout = deps.timeoutMs, partial = true, explain = false } = answerParams.values;
  const limitMs = Math.min(timeout, deps.timeoutMs);
  const held = deps.held.open(signal);
  const figures = createReadFigures({ startMs, maxBytes: deps.limits.maxAnswerBytes, held });
  const turn = await deps.gate.enter({ signal, waitMs: waitingTimeMs(limitMs) });
  if (turn.kind === 'refused') return busy(turn.reason);
  figures.begin();
  const asked: Asked = {
    deps,
    reader: deps.client.reader(),
    shards: deps.holding.among(deps.topology().shards, new Set(page?.cursor?.shards.keys())),
    startMs,
    timeoutMs: shardTimeoutMs(limitMs),
    signal,
    isStrict: !partial,
    figures,
    tellCost: () => (explain ? figures.soFar() : undefined),
    ended: status => deps.slowLog.record({ read: read.name, ...query, status, cost: figures.soFar() }),
  };
  if (plan.kind === 'rows') return answerRows(page as Page, asked);
  return answerStates(plan, asked);
}

interface Asked extends AnswerOptions {
  readonly deps: ReadDeps;
  readonly reader: ShardReader;
  readonly shards: readonly ShardSpec[];
  readonly startMs: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly figures: ReadFigures;
  /** To be called when the answer is made. */
  readonly ended: (status: number) => void;
}

async function answerStates(plan: StatePlan, asked: Asked): Promise<Answer> {
  const { limits, shardLog } = asked.deps;
  const session = createReadSession({ ...asked, limits });
  const combined = await runToEnd(session, () => plan.answer(session));
  shardLog.record(session.slots());
  const inexact = inexactFields(session.inexact(), plan.fieldsOf);
  const answer = answerOf(combined, session.slots(), { ...asked, inexact });
  asked.ended(answer.status);
  return answer;
}

async function answerRows(page: Page, asked: Asked): Promise<Answer> {
  const { shardLog } = asked.deps;
  const outcome = await rowsOf(page, asked);
  if (outcome.kind === 'refused') {
    asked.ended(outcome.status);
    return refusal(outcome.status, outcome.error);
  }
  if (outcome.kind === 'streamed') {
    return streamedAnswerOf({ ...outcome, pieces: watched(outcome, asked) }, asked.tellCost);
  }
  shardLog.record(outcome.slots);
  const answer = heldAnswer(page, outcome, asked);
  asked.ended(answer.status);
  return answer;
}

/** Begins again, once, when retention has taken what was being read; a cursor shows that snapshot and no other. */
async function rowsOf(page: Page, asked: Asked): Promise<RowsOutcome> {
  if (page.cursor !== undefined) return tryRows(page, asked);
  const first = await tryRows(page, { ...asked, mayBeginAgain: true });
  return first.kind === 'gone' ? tryRows(page, asked) : first;
}

async function tryRows(page: Page, asked: Asked & Pick<RowsOptions, 'mayBeginAgain'>): Promise<RowsOutcome> {
  const { shares } = asked.deps;
  const run = (rows: PreparedRows) =>
    runRows({ ...asked, ...rows, shares, spentMs: performance.now() - asked.startMs });
  // Of one shard alone nothing is on another.
  if (page.plan.prepare === undefined || asked.shards.length < 2) return run({ page });
  const { limits } = asked.deps;
  const session = createReadSession({ ...asked, limits, pinned: commitsOf(page) });
  const prepared = await preparePage(page, session);
  return prepared.kind === 'prepared' ? run(prepared.rows) : prepared;
}

function heldAnswer(
  { plan }: Page,
  outcome: Exclude<RowsOutcome, { kind: 'streamed' | 'refused' }>,
  asked: Asked,
): Extract<Answer, { kind: 'whole' }> {
  const { slots } = outcome;
  switch (outcome.kind) {
    case 'held': {
      const isMissing = outcome.rowCount === 0 && plan.missing !== undefined;
      const combined: Combined = isMissing
        ? { kind: 'not-found', what: plan.missing }
        : { kind: 'found', members: outcome.members };
      return answerOf(combined, slots, { ...asked, inexact: outcome.inexact });
    }
    case 'gone': {
      const error = errorMember(`the cursor cannot go on: ${outcome.reason}`);
      return envelope(410, completenessOf(slots), error, asked);
    }
    case 'too-large':
      return refusal(413, tooLarge(plan));
  }
}

async function* watched(
  { pieces, slots }: Extract<RowsOutcome, { kind: 'streamed' }>,
  { deps, ended }: Asked,
): AsyncGenerator<Buffer> {
  yield* pieces;
  deps.shardLog.record(slots());
  ended(200);
}

const BYTES_PER_MIB = 1024 * 1024;

function tooLarge({ isPaged = false }: RowPlan): string {
  const most = `partial=false holds at most ${MAX_HELD_BYTES / BYTES_PER_MIB} MiB of rows, and there are more`;
  return isPaged
    ? `${most}: lower limit or last, or leave partial=false out`
    : `${most}: leave partial=false out`;
}
