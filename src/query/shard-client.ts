import { READABLE_PATH } from '../shared/read/contract.ts';
import { SQL_PATH, type SqlAnswer } from '../shared/read/sql.ts';
import { BLOB_NOT_FOUND, blobPath } from '../shared/read/writes.ts';
import type { ShardSpec } from '../shared/topology/topology.ts';
import type { CallMeter } from './call-meter.ts';
import { createEmbeddedReader } from './embedded-reader.ts';
import { each, wholeOf } from './http-call.ts';
import {
  type CallOutcome,
  createShardCalls,
  readStart,
  type ShardCallOptions,
  type ShardCalls,
} from './shard-call.ts';
import type { ShardReader } from './shard-reader.ts';
import { refusalOf } from './shard-refusal.ts';
import { createTaelReader, type TaelReaderOptions } from './tael/tael-reader.ts';
import { replyOf, type ShardReply, type ShardWriteRequest } from './writes/shard-write.ts';

/** What can be asked of a shard of any kind. Calls never reject, and an abort settles them at once. */
export interface ShardClient extends Pick<ShardCalls, 'keepOnly' | 'breakerState' | 'stop'> {
  /** For one read. */
  reader(): ShardReader;
  /** The bytes of a blob; `undefined` when the shard does not have it. They are not held against its hash. */
  blob(
    shard: ShardSpec,
    sha256: string,
    signal: AbortSignal,
    meter?: CallMeter,
  ): Promise<CallOutcome<Buffer | undefined>>;
  /** `unreachable` may nevertheless have been stored: only its answer may be lost. */
  write(shard: ShardSpec, request: ShardWriteRequest, signal: AbortSignal): Promise<CallOutcome<ShardReply>>;
  /**
   * What the shard says to a SELECT: the members of its answer, as it wrote them, without braces. Numbers may be larger
   * than JavaScript's.
   */
  sql(shard: ShardSpec, query: string, signal: AbortSignal, meter?: CallMeter): Promise<CallOutcome<string>>;
  /** Answered when the shard says that it can be read. */
  ready(shard: ShardSpec, signal: AbortSignal): Promise<CallOutcome<'ready'>>;
}

export type ShardClientOptions = ShardCallOptions & Omit<TaelReaderOptions, 'calls'>;

/** Asks shards over HTTP. Of a tael-server everything but its rows is asked for in much the same way. */
export function createShardClient(options: ShardClientOptions): ShardClient {
  const calls = createShardCalls(options);
  const embedded = createEmbeddedReader({ ...options, calls });

  return {
    reader() {
      let tael: ShardReader | undefined;
      const readerOf = ({ kind }: ShardSpec) => {
        if (kind === 'embedded') return embedded;
        tael ??= createTaelReader({ ...options, calls });
        return tael;
      };
      return {
        snapshot: (shard, ...call) => readerOf(shard).snapshot(shard, ...call),
        rows: (shard, ...call) => readerOf(shard).rows(shard, ...call),
      };
    },
    blob(shard, sha256, signal, meter) {
      const path = { embedded: blobPath(sha256), tael: `/api/v1/blobs/${sha256}` }[shard.kind];
      const outcome = { kind: 'answered', value: undefined } as const;
      return calls.ask<CallOutcome<Buffer | undefined>>(
        shard,
        { path, method: 'GET', signal, meter },
        async ({ body }) => ({ kind: 'answered', value: await wholeOf(body) }),
        { error: BLOB_NOT_FOUND, outcome },
      );
    },
    write(shard, request, signal) {
      return calls.exchange<CallOutcome<ShardReply>>(
        shard,
        { ...request, signal },
        async ({ statusCode, body }) => {
          const text = (await wholeOf(body)).toString();
          const value = replyOf(statusCode, text);
          return value === undefined ? refusalOf(statusCode, text) : { kind: 'answered', value };
        },
      );
    },
    sql(shard, query, signal, meter) {
      const call =
        shard.kind === 'tael'
          ? ({ path: `/api/v1/sql?${new URLSearchParams({ q: query })}`, method: 'GET', signal } as const)
          : ({ path: SQL_PATH, method: 'POST', body: JSON.stringify({ query }), signal } as const);
      return calls.exchange<CallOutcome<string>>(shard, { ...call, meter }, async ({ statusCode, body }) => {
        const text = (await wholeOf(body)).toString();
        if (statusCode !== 200) return refusalOf(statusCode, text);
        const members = sqlMembers(text);
        if (members === undefined)
          return { kind: 'failed', reason: 'sent something else than an SQL answer' };
        return { kind: 'answered', value: members };
      });
    },
    ready(shard, signal) {
      const path = { embedded: READABLE_PATH, tael: '/readyz' }[shard.kind];
      const get = { path, method: 'GET', signal, mayBeSlow: true } as const;
      return calls.ask<CallOutcome<'ready'>>(shard, get, async ({ body }) => {
        await readStart(each(body));
        return { kind: 'answered', value: 'ready' };
      });
    },
    keepOnly: calls.keepOnly,
    breakerState: calls.breakerState,
    stop: calls.stop,
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
