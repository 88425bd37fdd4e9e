import { trailerLine } from '../../shared/read/ndjson.ts';
import type { Clock } from '../../shared/time.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import { traceKey } from '../../shared/topology/shard-key.ts';
import type { ShardSpec } from '../../shared/topology/topology.ts';
import { heldPieces } from '../http-call.ts';
import type { ShardCalls } from '../shard-call.ts';
import type { NewMeter, ShardReader } from '../shard-reader.ts';
import type { TaelCall } from './fetch-rows.ts';
import type { KeyedLine } from './keyed-lines.ts';
import { findNewest, isNewestQuery } from './newest-lines.ts';
import type { TaelPart } from './tael-part.ts';
import { createTaelSession, type TaelSession } from './tael-session.ts';

export interface TaelReaderOptions {
  readonly calls: Pick<ShardCalls, 'ask'>;
  /** Most rows of a signal that figures are computed from: `query.taelRowCap`. */
  readonly taelRowCap: number;
  /** Most bytes of one answer of a shard. */
  readonly maxAnswerBytes: number;
  readonly clock: Clock;
  readonly hash: Pick<Hash, 'slot'>;
}

/**
 * A tael-server has no commits that it could be read at. This is one that no shard of ours comes to: should one take its
 * place, it does not take it for a commit of its own.
 */
const AS_OF = '18446744073709551615';
const NANOS_PER_MS = 1_000_000n;
const CHUNK_CHARS = 64 * 1024;

/**
 * Reads tael-servers, which know neither snapshots nor partial states, as if they were shards of our own: rows and states
 * are made here of the rows that they list (ADR 24). For as long as a read lasts, what was fetched for it is kept, so that
 * its rounds see the same.
 */
export function createTaelReader(options: TaelReaderOptions): ShardReader {
  const { calls, taelRowCap: rowCap, maxAnswerBytes, clock, hash } = options;
  const sessions = new Map<string, TaelSession>();

  function sessionOf({ id }: ShardSpec): TaelSession {
    const session =
      sessions.get(id) ?? createTaelSession({ rowCap, slotOf: traceId => hash.slot(traceKey(traceId)) });
    sessions.set(id, session);
    return session;
  }
  const callOf = (shard: ShardSpec, signal: AbortSignal, newMeter: NewMeter | undefined): TaelCall => ({
    calls,
    shard,
    signal,
    newMeter,
    nowNs: BigInt(clock.now()) * NANOS_PER_MS,
    maxAnswerBytes,
  });

  return {
    async snapshot(shard, { asOf, reads }, signal, newMeter) {
      if (!isAsOfHere(asOf)) return gone(asOf);
      const outcome = await sessionOf(shard).answer(callOf(shard, signal, newMeter), reads);
      if (outcome.kind !== 'answered') return outcome;
      const parts = outcome.value;
      const value = {
        asOf: AS_OF,
        parts: parts.map(({ lines }) => ({
          shardId: shard.id,
          lines: Buffer.from(lines.map(({ line }) => line).join('')),
        })),
        rows: parts.map(({ lines }) => lines.length),
        cuts: parts.map(() => undefined),
        inexact: parts.map(({ inexact }) => inexact),
      };
      return { kind: 'answered', value };
    },
    async rows(shard, query, signal, newMeter) {
      if (!isAsOfHere(query.asOf)) return gone(query.asOf);
      const call = callOf(shard, signal, newMeter);
      const outcome = isNewestQuery(query)
        ? await findNewest(call, query, { rowCap })
        : await sessionOf(shard).answer(call, [query]);
      if (outcome.kind !== 'answered') return outcome;
      const [part] = outcome.value;
      const { lines, inexact } = part as TaelPart;
      const body = heldPieces(chunksOf(lines));
      return { kind: 'answered', value: { asOf: AS_OF, body, inexact } };
    },
  };
}

/** Another is of a shard of ours whose place the tael-server has taken. */
function isAsOfHere(asOf: string | undefined): asOf is typeof AS_OF | undefined {
  return asOf === undefined || asOf === AS_OF;
}

function gone(asOf: string) {
  return { kind: 'gone', reason: `a tael-server has no commits, and so no commit ${asOf}` } as const;
}

function* chunksOf(lines: readonly KeyedLine[]): Generator<Buffer> {
  let chunk = '';
  for (const { line } of lines) {
    chunk += line;
    if (chunk.length < CHUNK_CHARS) continue;
    yield Buffer.from(chunk);
    chunk = '';
  }
  yield Buffer.from(`${chunk}${trailerLine({ rows: lines.length, asOf: AS_OF, truncated: false })}`);
}
