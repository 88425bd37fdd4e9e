import { Pool } from 'undici';
import type { BreakerState } from '../shared/breaker.ts';
import { type Component, once } from '../shared/lifecycle.ts';
import type { Clock } from '../shared/time.ts';
import type { ShardSpec } from '../shared/topology/topology.ts';
import { createTurns, type Turns } from '../shared/turns.ts';
import { cutOffReason, LimitReached, unreachableReason } from './call-failure.ts';
import type { CallMeter } from './call-meter.ts';
import { type Circuit, createCircuit } from './circuit.ts';
import { isDeadline } from './deadline.ts';
import { type HttpAnswer, startCall } from './http-call.ts';

/**
 * HTTP to shards: one pool of connections and one circuit breaker for each address. Every phase of a call has its own
 * limit, and an abort ends a call at once, whatever phase it is in.
 */
export interface ShardHttp extends Component {
  /**
   * Sends a request and has the answer taken, whatever its status. Never rejects: what `take` throws while the answer
   * arrives is a failure of the shard.
   */
  exchange<T>(shard: ShardSpec, request: ShardRequest, take: Take<T>): Promise<T | ExchangeFailure>;
  /** Lets go of addresses that none of these shards has; calls in hand end as they would. */
  keepOnly(shards: readonly ShardSpec[]): void;
  breakerState(shard: ShardSpec): BreakerState;
}

export interface ShardRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Below the base path of the shard. */
  readonly path: string;
  readonly signal: AbortSignal;
  readonly meter: CallMeter;
  /** Most bytes of the answer's body, and what raises it; absent where the body is not held. */
  readonly maxBytes?: ByteLimit | undefined;
  /** Whether a shard that says nothing is only slow. Readiness is asked with little patience. */
  readonly mayBeSlow?: boolean;
}

interface ByteLimit {
  readonly sizeBytes: number;
  readonly setting: string;
}

/** The body rejects when the shard breaks off or stalls, or when there is more than may be taken. */
export type ShardResponse = HttpAnswer;

type Take<T> = (response: ShardResponse) => Promise<T>;

/** `unreachable`: no answer began, so that asking again may help. */
interface ExchangeFailure {
  readonly kind: 'unreachable' | 'failed';
  readonly reason: string;
}

export interface ShardHttpOptions {
  readonly connectTimeoutMs: number;
  /** From the request to the head of its answer. */
  readonly firstByteTimeoutMs: number;
  /** Between two pieces of an answer, while the proxy waits for one. */
  readonly idleTimeoutMs: number;
  /** A call that was given up after so long without the head of an answer counts against the shard. */
  readonly silentMs: number;
  readonly clock: Clock;
  /** For pauses; does not jump. */
  readonly steady: Clock;
  /** Evenly from [0, 1). */
  readonly random: () => number;
}

interface Address {
  readonly pool: Pool;
  readonly turns: Turns;
  readonly circuit: Circuit;
}

/** Bounds how many answers of one shard are held at once; more calls wait for a connection or their deadline. */
const CONNECTIONS_PER_ADDRESS = 32;
/** Calls in a row that found nobody, and the pauses that follow. */
const BREAKER = { threshold: 5, initialMs: 500, maxMs: 5_000 } as const;

export function createShardHttp(options: ShardHttpOptions): ShardHttp {
  const addresses = new Map<string, Address>();
  /** No longer asked, with calls still in hand. */
  const leaving = new Set<Pool>();

  function addressOf(origin: string): Address {
    const address = addresses.get(origin) ?? createAddress(origin, options);
    addresses.set(origin, address);
    return address;
  }

  return {
    async exchange(shard, request, take) {
      const { origin, pathname } = new URL(shard.read);
      const address = addressOf(origin);
      const path = `${pathname.replace(/\/$/, '')}${request.path}`;
      try {
        const work = () => converse(address, { ...request, path }, take, options);
        // Any number may wait, so there is always a result.
        return (await address.turns.run(work, request.signal)) as Awaited<ReturnType<typeof work>>;
      } catch {
        return { kind: 'failed', reason: 'given up before a connection was free' };
      }
    },
    keepOnly(shards) {
      const origins = new Set(shards.map(({ read }) => new URL(read).origin));
      for (const [origin, { pool }] of addresses) {
        if (origins.has(origin)) continue;
        addresses.delete(origin);
        leaving.add(pool);
        const forget = () => leaving.delete(pool);
        // It rejects when it is stopped meanwhile.
        void pool.close().then(forget, forget);
      }
    },
    breakerState: ({ read }) => addresses.get(new URL(read).origin)?.circuit.state() ?? 'closed',
    stop: once(async () => {
      const pools = [...leaving, ...Array.from(addresses.values(), ({ pool }) => pool)];
      await Promise.all(pools.map(pool => pool.destroy()));
    }),
  };
}

function createAddress(
  origin: string,
  { connectTimeoutMs, clock, steady, random }: ShardHttpOptions,
): Address {
  return {
    // The limits of the phases are ours; undici's are about a second coarse.
    pool: new Pool(origin, {
      connections: CONNECTIONS_PER_ADDRESS,
      connectTimeout: connectTimeoutMs,
      headersTimeout: 0,
      bodyTimeout: 0,
    }),
    turns: createTurns({ running: CONNECTIONS_PER_ADDRESS, waiting: Number.POSITIVE_INFINITY }),
    circuit: createCircuit({ ...BREAKER, clock: steady, wall: clock, random }),
  };
}

/** One request and its answer, on a connection that is free for it. */
async function converse<T>(
  { pool, circuit }: Address,
  { signal, meter, maxBytes, mayBeSlow = false, ...request }: ShardRequest,
  take: Take<T>,
  limits: ShardHttpOptions,
): Promise<T | ExchangeFailure> {
  const refusal = circuit.refusal();
  if (refusal !== undefined) return { kind: 'failed', reason: refusal };
  const attempt = circuit.attempt();
  const limit = createLimit(reason => call.abort(new LimitReached(reason)));
  const sentAtMs = performance.now();
  let sizeBytes = 0;
  meter.begin('connect');
  limit.start(limits.connectTimeoutMs, ms => `no connection within ${ms} ms`);
  const call = startCall(pool, request, {
    sent() {
      meter.begin('firstByte');
      limit.start(limits.firstByteTimeoutMs, ms => `no answer begun within ${ms} ms`);
    },
    // Who takes its time to read is not idle: the limit runs only while a piece is waited for.
    waiting: () => limit.start(limits.idleTimeoutMs, ms => `answer stalled for ${ms} ms`),
    received(pieceBytes) {
      limit.clear();
      sizeBytes += pieceBytes;
      const tooMuch = meter.received(pieceBytes);
      if (tooMuch !== undefined) return new LimitReached(tooMuch);
      if (maxBytes === undefined || sizeBytes <= maxBytes.sizeBytes) return undefined;
      return new LimitReached(`answer is larger than ${maxBytes.setting} (${maxBytes.sizeBytes} bytes)`);
    },
  });
  const forward = () => call.abort(signal.reason as Error);
  signal.addEventListener('abort', forward, { once: true });
  try {
    let answer: HttpAnswer;
    try {
      answer = await call.answer;
    } catch (error) {
      const wasSilent = performance.now() - sentAtMs >= limits.silentMs && !mayBeSlow;
      const reason = unreachableReason(error);
      const wasGivenUp = signal.aborted && !(wasSilent && isDeadline(signal.reason));
      if (wasGivenUp) attempt.abandoned();
      else attempt.failed(signal.aborted ? 'no answer within the deadline' : reason);
      return { kind: 'unreachable', reason };
    }
    attempt.answered();
    limit.clear();
    meter.begin('transfer');
    return await take(answer);
  } catch (error) {
    return { kind: 'failed', reason: cutOffReason(error) };
  } finally {
    limit.clear();
    signal.removeEventListener('abort', forward);
    // Ends a connection whose answer was not read to its end.
    call.abort(UNREAD);
    meter.end();
  }
}

const UNREAD = new Error('the answer was not read to its end');

interface Limit {
  /** Replaces what ran before. */
  start(ms: number, reason: (ms: number) => string): void;
  clear(): void;
}

function createLimit(reached: (reason: string) => void): Limit {
  let timer: NodeJS.Timeout | undefined;
  return {
    start(ms, reason) {
      clearTimeout(timer);
      timer = setTimeout(() => reached(reason(ms)), ms);
    },
    clear: () => clearTimeout(timer),
  };
}
