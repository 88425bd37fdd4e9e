import type { BreakerState } from '../shared/breaker.ts';
import type { Component } from '../shared/lifecycle.ts';
import { AS_OF_HEADER, readPath, SNAPSHOT_PATH } from '../shared/read/contract.ts';
import { SQL_PATH, type SqlAnswer } from '../shared/read/sql.ts';
import { BLOB_NOT_FOUND, blobPath } from '../shared/read/writes.ts';
import type { ShardSpec } from '../shared/topology/topology.ts';
import { type CallFigures, type CallMeter, createCallMeter } from './call-meter.ts';
import { isDeadline } from './deadline.ts';
import { each, type Pieces, wholeOf } from './http-call.ts';
import type { RowPart } from './merge/row-part.ts';
import type { ShardQuery } from './reads/read.ts';
import { cutReason, rowBodiesOf } from './row-body.ts';
import {
  createShardHttp,
  type ShardHttpOptions,
  type ShardRequest,
  type ShardResponse,
} from './shard-http.ts';
import { errorMember, refusalOf } from './shard-refusal.ts';
import { replyOf, type ShardReply, type ShardWriteRequest } from './writes/shard-write.ts';

/**
 * `cut` is an answer that the shard ended at a bound of its own; `unreachable` means that no answer began, so that
 * asking again may help; `refused` that the shard finds fault with the question.
 */
export type CallOutcome<T> =
  | { readonly kind: 'answered'; readonly value: T }
  | { readonly kind: 'cut'; readonly value: T; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string }
  | { readonly kind: 'gone'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

interface SnapshotReads {
  /** The commit to read at; absent for the last one. */
  readonly asOf?: string | undefined;
  readonly reads: readonly ShardQuery[];
}

/** What one shard gave to several reads at one commit. */
export interface SnapshotRows {
  readonly asOf: string;
  /** One for each read, in their order. */
  readonly parts: readonly RowPart[];
  /** How many rows each of them has. */
  readonly rows: readonly number[];
}

/** The rows of one read, which are still on their way. */
export interface RowStream {
  /** The commit that they are read at. */
  readonly asOf: string;
  /** Row lines and the trailer. Whoever has it reads it to its end or lets it go. */
  readonly body: Pieces;
}

/**
 * What can be asked of a shard. Calls never reject, and an abort settles them at once. The meter, where there is one,
 * is told how the call goes.
 */
export interface ShardClient extends Component {
  /** `gone` when the snapshot that `asOf` names cannot be read any more. */
  snapshot(
    shard: ShardSpec,
    reads: SnapshotReads,
    signal: AbortSignal,
    meter?: CallMeter,
  ): Promise<CallOutcome<SnapshotRows>>;
  /** Answered when the answer begins; an abort of the signal ends the stream, too. `gone` as with `snapshot`. */
  rows(
    shard: ShardSpec,
    read: ShardQuery & Pick<SnapshotReads, 'asOf'>,
    signal: AbortSignal,
    meter?: CallMeter,
  ): Promise<CallOutcome<RowStream>>;
  /** The bytes of a blob; `undefined` when the shard does not have it. They are not held against its hash. */
  blob(shard: ShardSpec, sha256: string, signal: AbortSignal): Promise<CallOutcome<Buffer | undefined>>;
  /** Also to shards of kind tael. `unreachable` may nevertheless have been stored: only its answer may be lost. */
  write(shard: ShardSpec, request: ShardWriteRequest, signal: AbortSignal): Promise<CallOutcome<ShardReply>>;
  /**
   * What the shard says to a SELECT: the members of its answer, as it wrote them, without braces. Numbers may be larger
   * than JavaScript's.
   */
  sql(shard: ShardSpec, query: string, signal: AbortSignal): Promise<CallOutcome<string>>;
  /** Answered when the shard says that it is ready for reads. */
  ready(shard: ShardSpec, signal: AbortSignal): Promise<CallOutcome<'ready'>>;
  /** Lets go of connections to addresses that none of these shards has. */
  keepOnly(shards: readonly ShardSpec[]): void;
  breakerState(shard: ShardSpec): BreakerState;
}

export interface ShardClientOptions extends ShardHttpOptions {
  /** Largest answer of one shard to one call, where it is held. */
  readonly maxAnswerBytes: number;
  /** Told of every call when it has ended. */
  readonly onCall?: (call: EndedCall) => void;
}

export interface EndedCall {
  readonly shardId: string;
  /** `timeout` and `cancelled` when it was not waited for any longer. */
  readonly outcome: CallOutcome<unknown>['kind'] | 'timeout' | 'cancelled';
  readonly figures: CallFigures;
}

type Call = Omit<ShardRequest, 'meter'> & { readonly meter?: CallMeter | undefined };
/** What a 404 with this error says. */
interface Missing<T> {
  readonly error: string;
  readonly outcome: CallOutcome<T>;
}
type Accept<T> = (response: ShardResponse) => Promise<CallOutcome<T>>;

const TAEL_UNSUPPORTED = { kind: 'failed', reason: 'shards of kind tael cannot be read yet' } as const;
const MAX_ERROR_BYTES = 16 * 1024;

/** Asks shards over HTTP. */
export function createShardClient({ maxAnswerBytes, onCall, ...options }: ShardClientOptions): ShardClient {
  const http = createShardHttp(options);
  const maxBytes = { sizeBytes: maxAnswerBytes, setting: 'query.maxShardAnswerBytes' };

  /** Sends to a shard of any kind. */
  async function exchange<T>(
    shard: ShardSpec,
    { meter = createCallMeter(), ...call }: Call,
    take: Accept<T>,
  ): Promise<CallOutcome<T>> {
    const outcome = await http.exchange(shard, { maxBytes, ...call, meter }, take);
    onCall?.({ shardId: shard.id, outcome: endOf(outcome, call.signal), figures: meter.figures() });
    return outcome;
  }

  async function send<T>(
    shard: ShardSpec,
    call: Call,
    accept: Accept<T>,
    missing?: Missing<T>,
  ): Promise<CallOutcome<T>> {
    if (shard.kind === 'tael') return TAEL_UNSUPPORTED;
    return exchange(shard, call, async response => {
      if (response.statusCode === 200) return accept(response);
      const text = await readStart(each(response.body));
      const isMissing = response.statusCode === 404 && errorMember(text) === missing?.error;
      return isMissing && missing !== undefined ? missing.outcome : refusalOf(response.statusCode, text);
    });
  }

  return {
    snapshot(shard, { asOf, reads }, signal, meter) {
      const [only] = reads;
      const isAlone = reads.length === 1 && only !== undefined;
      const post = {
        path: isAlone ? readPath(only.name) : SNAPSHOT_PATH,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(isAlone ? { ...only.request, asOf } : { asOf, reads }),
        signal,
        meter,
      } as const;
      return send(shard, post, async response => {
        const body = rowBodiesOf(await wholeOf(response.body), reads.length);
        if (body.kind === 'broken') return { kind: 'failed', reason: body.reason };
        const parts = body.bodies.map(({ lines }) => ({ shardId: shard.id, lines }));
        const value = { asOf: body.asOf, parts, rows: body.bodies.map(({ rows }) => rows) };
        const cut = body.bodies.find(({ truncated }) => truncated);
        return cut === undefined
          ? { kind: 'answered', value }
          : { kind: 'cut', value, reason: cutReason(cut) };
      });
    },
    rows(shard, { name, request, asOf }, signal, meter) {
      const post = {
        path: readPath(name),
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...request, asOf }),
        signal,
        meter,
        maxBytes: undefined,
      } as const;
      const begun = Promise.withResolvers<CallOutcome<RowStream>>();
      const sent = send<RowStream>(shard, post, async ({ headers, body }) => {
        const asOf = headers[AS_OF_HEADER];
        if (typeof asOf !== 'string') {
          return { kind: 'failed', reason: `answered without the header ${AS_OF_HEADER}` };
        }
        const outcome = { kind: 'answered', value: { asOf, body } } as const;
        begun.resolve(outcome);
        const error = await body.over;
        if (error !== undefined) throw error;
        return outcome;
      });
      void sent.then(begun.resolve);
      return begun.promise;
    },
    blob(shard, sha256, signal) {
      const get = { path: blobPath(sha256), method: 'GET', signal } as const;
      const outcome = { kind: 'answered', value: undefined } as const;
      return send<Buffer | undefined>(
        shard,
        get,
        async ({ body }) => ({ kind: 'answered', value: await wholeOf(body) }),
        { error: BLOB_NOT_FOUND, outcome },
      );
    },
    write(shard, request, signal) {
      return exchange<ShardReply>(shard, { ...request, signal }, async ({ statusCode, body }) => {
        const text = (await wholeOf(body)).toString();
        const value = replyOf(statusCode, text);
        return value === undefined ? refusalOf(statusCode, text) : { kind: 'answered', value };
      });
    },
    sql(shard, query, signal) {
      const call =
        shard.kind === 'tael'
          ? ({ path: `/api/v1/sql?${new URLSearchParams({ q: query })}`, method: 'GET', signal } as const)
          : ({ path: SQL_PATH, method: 'POST', body: JSON.stringify({ query }), signal } as const);
      return exchange<string>(shard, call, async ({ statusCode, body }) => {
        const text = (await wholeOf(body)).toString();
        if (statusCode !== 200) return refusalOf(statusCode, text);
        const members = sqlMembers(text);
        if (members === undefined)
          return { kind: 'failed', reason: 'sent something else than an SQL answer' };
        return { kind: 'answered', value: members };
      });
    },
    ready(shard, signal) {
      const get = { path: '/readyz', method: 'GET', signal, mayBeSlow: true } as const;
      return send(shard, get, async ({ body }) => {
        await readStart(each(body));
        return { kind: 'answered', value: 'ready' };
      });
    },
    keepOnly: http.keepOnly,
    breakerState: http.breakerState,
    stop: http.stop,
  };
}

function sqlMembers(json: string): string | undefined {
  try {
    const { rows, truncated } = JSON.parse(json) as Partial<SqlAnswer>;
    if (!Array.isArray(rows)) return undefined;
    // A tael-server truncates nothing, and does not say so.
    return `${json.trim().slice(1, -1)}${truncated === undefined ? ',"truncated":false' : ''}`;
  } catch {
    return undefined;
  }
}

function endOf({ kind }: CallOutcome<unknown>, signal: AbortSignal): EndedCall['outcome'] {
  if (!signal.aborted || kind === 'answered' || kind === 'cut') return kind;
  return isDeadline(signal.reason) ? 'timeout' : 'cancelled';
}

export async function readStart(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_ERROR_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}
