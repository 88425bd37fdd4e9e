import type { ShardSpec } from '../../shared/topology/topology.ts';
import { callTwice, type Slot } from '../fan-out.ts';
import type { InexactField } from '../inexact.ts';
import type { ReadFigures } from '../read-figures.ts';
import type { RefusedQuestion } from '../reads/read.ts';
import type { Refused } from '../refused.ts';
import type { ShardReader } from '../shard-reader.ts';
import type { Gatherer } from './gatherer.ts';
import { hold, isLost, whileAsking } from './hold.ts';
import { nextCursor, type Page, pageRowsOf, placeOf, shardQueryOf } from './page.ts';
import { createShardRows, type RowsAsk, type ShardRows, type SourceEnd } from './shard-rows.ts';
import type { Shares } from './shares.ts';

export interface RowsOptions {
  readonly page: Page;
  readonly shards: readonly ShardSpec[];
  /** What became of the shards in rounds before; one that was lost is not asked. */
  readonly earlier?: readonly Slot<unknown>[];
  readonly reader: Pick<ShardReader, 'rows'>;
  readonly shares: Shares;
  /** How long each shard may be waited for. */
  readonly timeoutMs: number;
  /** So much of that was gone before. */
  readonly spentMs?: number;
  readonly figures?: ReadFigures;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Whether one missing shard makes the answer useless. */
  readonly isStrict: boolean;
  /** Whether a snapshot that is gone ends the attempt, for a new one, and not its shard's part alone. */
  readonly mayBeginAgain?: boolean;
  readonly maxHeldBytes?: number;
}

/** Rows of all shards as JSON text, and what became of the shards. */
interface RowsResult {
  /** The text before the rows, the rows, and what says how many there were; without braces, in pieces. */
  readonly members: readonly Buffer[];
  readonly rowCount: number;
  readonly slots: readonly Slot<unknown>[];
  readonly inexact: readonly InexactField[];
}

export type RowsOutcome =
  | ({ readonly kind: 'held' } & RowsResult)
  /** What a cursor shows, or the rest of what was begun, cannot be read any more. Nothing was passed on. */
  | { readonly kind: 'gone'; readonly reason: string; readonly slots: readonly Slot<unknown>[] }
  | { readonly kind: 'too-large'; readonly slots: readonly Slot<unknown>[] }
  /** All queries together would hold too much. */
  | RefusedQuestion
  /** More than is held. The pieces are the members of the answer; the slots are known when the last one is taken. */
  | {
      readonly kind: 'streamed';
      readonly pieces: AsyncGenerator<Buffer>;
      readonly slots: () => readonly Slot<unknown>[];
      /** Known then, too. */
      readonly inexact: () => readonly InexactField[];
    };

export const MAX_HELD_BYTES = 16 * 1024 * 1024;
const PIECE_BYTES = 64 * 1024;

/**
 * Merges the rows of all shards. They are held until every shard has given what is needed of it or has failed, so that
 * one that fails is left out altogether; an answer that is larger than what is held begins before that, and a shard that
 * fails from then on is missing from there on. Shards are read no faster than their rows are needed, and not behind the
 * last row of the page.
 */
export async function runRows(options: RowsOptions): Promise<RowsOutcome> {
  const { page, signal, isStrict, mayBeginAgain = false, figures, shares } = options;
  const { maxHeldBytes = MAX_HELD_BYTES } = options;
  const untilMs = performance.now() + options.timeoutMs - (options.spentMs ?? 0);
  const goneEndsAll = page.cursor !== undefined || mayBeginAgain;
  let isHolding = true;
  const earlier = new Map(options.earlier?.map(slot => [slot.shardId, slot]));
  const wasLost = ({ id }: ShardSpec) => earlier.has(id) && !('value' in (earlier.get(id) as Slot<unknown>));
  const asked = options.shards.filter(shard => !wasLost(shard));
  const pageRows = pageRowsOf(page);
  const firstRows = shares.firstRows(page.plan, { pageRows, shards: asked.length });
  const all: readonly ShardRows[] = asked.map(shard => rowsOf(shard, options, { firstRows, onEnd }));
  const slots = () => {
    const bySource = new Map(all.map(source => [source.shardId, slotOf(source)]));
    const both = options.shards.map(({ id }) => bothSlots(earlier.get(id), bySource.get(id)));
    return [...both, ...leftSlots(options)];
  };
  const inexact = () =>
    all.flatMap(source => {
      const reason = isLost(source) ? undefined : source.inexact();
      return reason === undefined ? [] : [{ field: page.plan.member, reason }];
    });

  figures?.beginRound();

  function onEnd(shardId: string, end: SourceEnd): void {
    const isUseless = isStrict || (isHolding && goneEndsAll && end.kind === 'gone');
    // Of a question that is at fault every shard says so at once, and is to be heard.
    const isLost = end.kind === 'failed' || end.kind === 'gone' || end.kind === 'cut';
    if (isUseless && isLost) abandon(`not waited for: ${shardId} had failed`);
  }
  function abandon(reason: string): void {
    for (const source of all) source.abandon(reason);
  }
  const cancel = () => abandon('the request was cancelled');
  signal.addEventListener('abort', cancel, { once: true });
  figures?.full.addEventListener('abort', cancel, { once: true });
  if (signal.aborted) cancel();

  const { state, gathered } = await hold(all, { ...options, maxHeldBytes, untilMs });
  isHolding = false;
  if (figures?.full.aborted) return (figures.full.reason as Refused).question();
  const tellRows = () => {
    for (const source of all) figures?.addRows(source.shardId, source.rowCount());
    shares.learn(page.plan, { pageRows, taken: all.map(source => source.rowCount()) });
  };
  if (state === 'full' && !isStrict) {
    for (const source of all) source.forget();
    figures?.stopHolding();
    return { kind: 'streamed', pieces: piecesOf(options, { all, gathered, tellRows }), slots, inexact };
  }
  if (state === 'full') abandon('not waited for: the answer is too large');
  for (const source of all) source.finish();
  tellRows();
  const gone = all.map(source => source.end()).find(end => end?.kind === 'gone');
  if (goneEndsAll && gone?.kind === 'gone') {
    return { kind: 'gone', reason: gone.reason, slots: slots() };
  }
  if (state === 'full') return { kind: 'too-large', slots: slots() };
  const members = [opening(page), ...gathered.take(), closing(page, all, gathered)];
  return { kind: 'held', members, rowCount: gathered.rowCount(), slots: slots(), inexact: inexact() };
}

interface Streaming {
  readonly all: readonly ShardRows[];
  readonly gathered: Gatherer;
  readonly tellRows: () => void;
}

async function* piecesOf(
  { page, figures }: RowsOptions,
  { all, gathered, tellRows }: Streaming,
): AsyncGenerator<Buffer> {
  try {
    yield opening(page);
    yield* slices(Buffer.concat(gathered.take()));
    for (let state = 'full'; state !== 'done'; ) {
      state = gathered.fill(PIECE_BYTES);
      const piece = Buffer.concat(gathered.take());
      if (piece.length > 0) yield piece;
      if (state === 'starved') await readAll(gathered, figures);
    }
    for (const source of all) source.finish();
    tellRows();
    yield closing(page, all, gathered);
  } finally {
    for (const source of all) source.abandon('the request was cancelled');
  }
}

function* slices(text: Buffer): Generator<Buffer> {
  for (let at = 0; at < text.length; at += PIECE_BYTES) yield text.subarray(at, at + PIECE_BYTES);
}

/** The time that the client takes is not that of the shards. */
async function readAll(gathered: Gatherer, figures: ReadFigures | undefined): Promise<void> {
  const needed = { rows: gathered.missing(), leftMs: Number.POSITIVE_INFINITY };
  await whileAsking(figures, () => Promise.all(gathered.waitingFor().map(source => source.read(needed))));
}

interface Asking {
  readonly firstRows: number;
  readonly onEnd: (shardId: string, end: SourceEnd) => void;
}

function rowsOf(
  shard: ShardSpec,
  { page, reader, timeoutMs, spentMs, figures }: RowsOptions,
  { firstRows, onEnd }: Asking,
): ShardRows {
  const open = (ask: RowsAsk, signal: AbortSignal) => {
    const query = { ...shardQueryOf(page, ask), asOf: ask.asOf };
    const call = (asked: ShardSpec, callSignal: AbortSignal) =>
      reader.rows(asked, query, callSignal, figures && (() => figures.meterFor(shard.id, 'rows')));
    return callTwice(shard, call, signal);
  };
  return createShardRows({
    shardId: shard.id,
    order: page.plan.order,
    start: placeOf(page, shard.id),
    // A tael-server has no snapshot that more rows could be asked of.
    firstRows: shard.kind === 'tael' ? pageRowsOf(page) : firstRows,
    open,
    canResume: page.plan.isPaged ?? false,
    timeoutMs,
    spentMs,
    onEnd: end => onEnd(shard.id, end),
  });
}

function slotOf(source: ShardRows): Slot<unknown> {
  const slot = { shardId: source.shardId, elapsedMs: source.waitedMs() };
  const end = source.end() ?? { kind: 'abandoned', reason: 'was not asked' };
  switch (end.kind) {
    case 'answered':
    case 'cut':
      return { ...slot, ...end, value: source.asOf() };
    case 'gone':
      return { ...slot, kind: 'failed', reason: end.reason };
    case 'failed':
    case 'refused':
    case 'abandoned':
      return { ...slot, ...end };
  }
}

/** What became of a shard in earlier rounds and then in that of the rows, which it has no part in when it was lost. */
function bothSlots(earlier: Slot<unknown> | undefined, rows: Slot<unknown> | undefined): Slot<unknown> {
  if (earlier === undefined || rows === undefined) return (rows ?? earlier) as Slot<unknown>;
  const elapsedMs = earlier.elapsedMs + rows.elapsedMs;
  const isCut = earlier.kind === 'cut' && rows.kind === 'answered';
  return { ...rows, ...(isCut && { kind: 'cut', reason: earlier.reason }), elapsedMs } as Slot<unknown>;
}

/** The shards that earlier pages had rows of. */
function leftSlots({ page, shards }: RowsOptions): Slot<unknown>[] {
  const ids = new Set(shards.map(({ id }) => id));
  const left = [...(page.cursor?.shards.keys() ?? [])].filter(id => !ids.has(id));
  const reason = 'has left the topology since the first page';
  return left.map(shardId => ({ shardId, elapsedMs: 0, kind: 'abandoned', reason }));
}

function opening({ plan: { head, member } }: Page): Buffer {
  return Buffer.from(`${head === undefined ? '' : `${head},`}"${member}":[`);
}

function closing(page: Page, all: readonly ShardRows[], gathered: Gatherer): Buffer {
  const { tail } = page.plan;
  const end = gathered.end();
  const asOf = new Map(
    all.flatMap(source => (isLost(source) ? [] : [[source.shardId, source.asOf() as string]])),
  );
  const next = end && `"next_cursor":"${nextCursor(page, end, asOf)}"`;
  const members = [tail?.(gathered.rowCount()), next].filter(member => member !== undefined);
  return Buffer.from(`]${members.map(member => `,${member}`).join('')}`);
}
