import type { BufferPool } from '../buffer-pool.ts';
import { type Refusal, refuse } from './door.ts';

/**
 * Who may come in: asked by every door of a process before it reads a body, so that a process under load says "come
 * back" at the cost of a header. Everything is answered at once from what is known; nothing is waited for.
 */
export interface Admission {
  /** A place for one request, or why there is none. */
  enter(): Place | Refusal;
  /** Requests in hand, for metrics. */
  requests(): number;
  /** Request bytes in memory, for metrics. */
  bytes(): number;
}

/** What one request holds while it is in hand: itself, and the bytes it takes. */
export interface Place {
  readonly kind: 'admitted';
  /** Why so many bytes could not be taken now, or `undefined` when they could. */
  refusalOf(sizeBytes: number): Refusal | undefined;
  /** Takes bytes that are about to be kept, or says why they may not be. */
  take(sizeBytes: number): Refusal | undefined;
  /** Gives back some of the bytes taken. */
  give(sizeBytes: number): void;
  /** Does work that grows when its turn comes: requests that grew side by side would fill the memory and all fail. */
  inTurn<Result>(work: () => Promise<Result>): Promise<Result>;
  /**
   * The one buffer of the request, until it leaves. Asked again, it is a larger one that begins with the same bytes,
   * and the one before is no longer the request's. Its bytes are taken by themselves.
   */
  allocate(sizeBytes: number): Buffer;
  /** Gives back the place with all of its bytes and buffers. A second call changes nothing. */
  leave(): void;
}

/** A bound, and what to do about it. */
interface Mark {
  readonly most: number;
  /** As in "raise ingest.maxBytesInFlight or add replicas". */
  readonly remedy: string;
  /** Told of every request that was refused because of it. */
  readonly onRefused?: () => void;
}

export interface AdmissionOptions {
  readonly bytesInFlight: Mark;
  readonly requests: Mark;
  /** Why nothing can be taken now, for reasons that lie behind the doors; `undefined` while there is none. */
  readonly reasons: readonly (() => string | undefined)[];
  /** Where the buffers of requests come from and go to. Nobody keeps a body beyond its answer. */
  readonly buffers: BufferPool;
}

export function createAdmission(options: AdmissionOptions): Admission {
  const held: Held = { requests: 0, bytes: 0, turns: createTurns(GROWING_AT_ONCE) };
  return {
    enter() {
      const { most, remedy, onRefused } = options.requests;
      if (held.requests >= most) {
        onRefused?.();
        return refuse('unavailable', `${held.requests} requests in hand; ${remedy}`);
      }
      for (const reason of options.reasons) {
        const why = reason();
        if (why !== undefined) return refuse('unavailable', why);
      }
      return new HeldPlace(held, options.bytesInFlight, options.buffers);
    },
    requests: () => held.requests,
    bytes: () => held.bytes,
  };
}

/** As many as libuv has threads, and with the default settings as many as fit when each grows to its limit. */
const GROWING_AT_ONCE = 4;

type Turns = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** Runs so many works at once, the others when one ends, first come first served. */
function createTurns(atOnce: number): Turns {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async work => {
    // Whoever ends hands its turn on, so the number of running ones does not change.
    if (running < atOnce) running++;
    else await new Promise<void>(resolve => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}

/** What all requests of the process hold together. */
interface Held {
  requests: number;
  bytes: number;
  readonly turns: Turns;
}

class HeldPlace implements Place {
  readonly kind = 'admitted';
  readonly #all: Held;
  readonly #bound: Mark;
  readonly #pool: BufferPool;
  #buffer: Buffer | undefined;
  #bytes = 0;
  #isLeft = false;

  constructor(all: Held, bound: Mark, pool: BufferPool) {
    this.#all = all;
    this.#bound = bound;
    this.#pool = pool;
    all.requests++;
  }

  refusalOf(sizeBytes: number): Refusal | undefined {
    const { most, remedy, onRefused } = this.#bound;
    if (this.#all.bytes + sizeBytes <= most) return undefined;
    onRefused?.();
    return refuse('unavailable', `too many request bytes in memory; ${remedy}`);
  }

  take(sizeBytes: number): Refusal | undefined {
    const refusal = this.refusalOf(sizeBytes);
    if (refusal !== undefined) return refusal;
    this.#all.bytes += sizeBytes;
    this.#bytes += sizeBytes;
    return undefined;
  }

  give(sizeBytes: number): void {
    this.#all.bytes -= sizeBytes;
    this.#bytes -= sizeBytes;
  }

  inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#all.turns(work);
  }

  allocate(sizeBytes: number): Buffer {
    const outgrown = this.#buffer;
    const buffer = this.#pool.take(sizeBytes);
    this.#buffer = buffer;
    if (outgrown !== undefined) {
      outgrown.copy(buffer);
      this.#pool.give(outgrown);
    }
    return buffer;
  }

  leave(): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    this.give(this.#bytes);
    if (this.#buffer !== undefined) this.#pool.give(this.#buffer);
    this.#all.requests--;
  }
}
