import { type Dispatcher, Pool } from 'undici';
import { type Component, once } from '../shared/lifecycle.ts';
import { readPath, SNAPSHOT_PATH } from '../shared/read/contract.ts';
import { BLOB_NOT_FOUND, blobPath } from '../shared/read/writes.ts';
import type { ShardSpec } from '../shared/topology/topology.ts';
import type { RowPart } from './merge/row-part.ts';
import type { ShardQuery } from './reads/read.ts';
import { readRowBodies } from './row-body.ts';

/**
 * `cut` is an answer that the shard ended at a bound of its own; `unreachable` means that no answer began, so that
 * asking again may help.
 */
export type CallOutcome<T> =
  | { readonly kind: 'answered'; readonly value: T }
  | { readonly kind: 'cut'; readonly value: T; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string }
  | { readonly kind: 'gone'; readonly reason: string }
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
}

/**
 * What can be asked of a shard. Calls never reject. An abort ends the connection, but a call that still waits for one
 * settles late: do not wait for it.
 */
export interface ShardClient extends Component {
  /** `gone` when the snapshot that `asOf` names cannot be read any more. */
  snapshot(shard: ShardSpec, reads: SnapshotReads, signal: AbortSignal): Promise<CallOutcome<SnapshotRows>>;
  /** The bytes of a blob; `undefined` when the shard does not have it. They are not held against its hash. */
  blob(shard: ShardSpec, sha256: string, signal: AbortSignal): Promise<CallOutcome<Buffer | undefined>>;
  /** Answered when the shard says that it is ready for reads. */
  ready(shard: ShardSpec, signal: AbortSignal): Promise<CallOutcome<'ready'>>;
}

export interface ShardClientOptions {
  /** Largest answer of one shard to one read. */
  readonly maxAnswerBytes: number;
}

type Response = Dispatcher.ResponseData;
type Request = Pick<Dispatcher.RequestOptions, 'path' | 'method' | 'headers' | 'body'>;

const TAEL_UNSUPPORTED = { kind: 'failed', reason: 'shards of kind tael cannot be read yet' } as const;
/** Bounds how many answers of one shard are held at once; more reads wait for a connection or their deadline. */
const CONNECTIONS_PER_SHARD = 32;
const MAX_ERROR_BYTES = 16 * 1024;
const MAX_REASON_CHARS = 300;

/** Asks shards over HTTP, with one pool of connections per address. */
export function createShardClient({ maxAnswerBytes }: ShardClientOptions): ShardClient {
  const pools = new Map<string, Pool>();

  function poolFor(origin: string): Pool {
    // Deadlines come as abort signals; undici's own timeouts are about a second coarse.
    const pool =
      pools.get(origin) ??
      new Pool(origin, { connections: CONNECTIONS_PER_SHARD, headersTimeout: 0, bodyTimeout: 0 });
    pools.set(origin, pool);
    return pool;
  }

  async function send<T>(
    shard: ShardSpec,
    request: Request & { readonly signal: AbortSignal },
    accept: (response: Response) => Promise<CallOutcome<T>>,
    /** What a 404 with this error says. */
    missing?: { readonly error: string; readonly outcome: CallOutcome<T> },
  ): Promise<CallOutcome<T>> {
    if (shard.kind === 'tael') return TAEL_UNSUPPORTED;
    const { origin, pathname } = new URL(shard.read);
    const path = `${pathname.replace(/\/$/, '')}${request.path}`;
    let response: Response;
    try {
      response = await poolFor(origin).request({ ...request, path });
    } catch (error) {
      return { kind: 'unreachable', reason: `connection failed (${codeOf(error)})` };
    }
    try {
      if (response.statusCode === 200) return await accept(response);
      const text = await readStart(response.body);
      if (response.statusCode === 410) return { kind: 'gone', reason: errorMember(text) ?? 'snapshot gone' };
      const isMissing = response.statusCode === 404 && errorMember(text) === missing?.error;
      return isMissing && missing !== undefined ? missing.outcome : refused(response.statusCode, text);
    } catch (error) {
      return { kind: 'failed', reason: `answer was cut off (${codeOf(error)})` };
    }
  }

  return {
    snapshot(shard, { asOf, reads }, signal) {
      const [only] = reads;
      const isAlone = reads.length === 1 && only !== undefined;
      const post = {
        path: isAlone ? readPath(only.name) : SNAPSHOT_PATH,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(isAlone ? { ...only.request, asOf } : { asOf, reads }),
        signal,
      } as const;
      return send(shard, post, async response => {
        const body = await readRowBodies(response.body, { count: reads.length, maxBytes: maxAnswerBytes });
        if (body.kind === 'broken') return { kind: 'failed', reason: body.reason };
        const parts = body.bodies.map(({ lines }) => ({ shardId: shard.id, lines }));
        const value = { asOf: body.asOf, parts };
        const cut = body.bodies.find(({ truncated }) => truncated);
        if (cut !== undefined) return { kind: 'cut', value, reason: `gave its first ${cut.rows} rows only` };
        return { kind: 'answered', value };
      });
    },
    blob(shard, sha256, signal) {
      const get = { path: blobPath(sha256), method: 'GET', signal } as const;
      const accept = async ({ body }: Response): Promise<CallOutcome<Buffer | undefined>> => ({
        kind: 'answered',
        value: Buffer.from(await body.arrayBuffer()),
      });
      const outcome = { kind: 'answered', value: undefined } as const;
      return send(shard, get, accept, { error: BLOB_NOT_FOUND, outcome });
    },
    ready(shard, signal) {
      return send(shard, { path: '/readyz', method: 'GET', signal }, async response => {
        await response.body.dump();
        return { kind: 'answered', value: 'ready' };
      });
    },
    stop: once(async () => {
      await Promise.all([...pools.values()].map(pool => pool.destroy()));
    }),
  };
}

/** A shard explains itself as `{"error": "…"}`; whatever else it sends is quoted as it is. */
function refused(statusCode: number, text: string): CallOutcome<never> {
  const reason = (errorMember(text) ?? text).slice(0, MAX_REASON_CHARS);
  return {
    kind: 'failed',
    reason: reason === '' ? `answered ${statusCode}` : `answered ${statusCode}: ${reason}`,
  };
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

export function errorMember(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === 'string' ? error : undefined;
  } catch {
    return undefined;
  }
}

export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
