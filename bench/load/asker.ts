import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { percentile } from '../figures.ts';

export interface Question {
  readonly path: string;
  /** Posted as JSON; without it the request is a GET. */
  readonly body?: object;
}

/** Asks one server over connections that are kept. */
export interface Asker {
  /**
   * Settles when the answer is whole.
   * @throws when it is not a 200
   */
  ask(question: Question): Promise<Answer>;
  /** Reads no faster than so many bytes a second, and keeps only the end. */
  readSlowly(question: Question, bytesPerSecond: number): Promise<SlowAnswer>;
  close(): Promise<void>;
}

interface Answer {
  readonly body: Buffer;
  /** Ids of shards that are not in it, with commas. */
  readonly missing: string;
}

interface SlowAnswer {
  readonly sizeBytes: number;
  readonly seconds: number;
  readonly end: string;
}

const END_BYTES = 200;

export function createAsker(url: string, connections = 1): Asker {
  const pool = new Pool(url, { connections });
  async function send({ path, body }: Question) {
    const response = await pool.request({
      method: body === undefined ? 'GET' : 'POST',
      path,
      ...(body !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    });
    if (response.statusCode === 200) return response;
    throw new Error(`${path} was answered ${response.statusCode}: ${await response.body.text()}`);
  }
  return {
    async ask(question) {
      const { headers, body } = await send(question);
      const missing = String(headers['otelfan-missing-shards'] ?? '');
      return { body: Buffer.from(await body.arrayBuffer()), missing };
    },
    async readSlowly(question, bytesPerSecond) {
      const startMs = performance.now();
      const { body } = await send(question);
      let sizeBytes = 0;
      let end: Buffer = Buffer.alloc(0);
      for await (const chunk of body as AsyncIterable<Buffer>) {
        sizeBytes += chunk.length;
        end = Buffer.concat([end, chunk]).subarray(-END_BYTES);
        const earlyMs = startMs + (1000 * sizeBytes) / bytesPerSecond - performance.now();
        if (earlyMs > 1) await sleep(earlyMs);
      }
      return { sizeBytes, seconds: (performance.now() - startMs) / 1000, end: String(end) };
    },
    close: () => pool.close(),
  };
}

export interface Times {
  readonly count: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

type Ask = () => Promise<unknown>;

/** As many clients, each of which asks again as soon as it has its answer. */
export async function askFor(seconds: number, clients: number, ask: Ask): Promise<Times> {
  const tookMs: number[] = [];
  const startMs = performance.now();
  const client = async () => {
    while (performance.now() < startMs + seconds * 1000) tookMs.push(await timed(ask));
  };
  await Promise.all(Array.from({ length: clients }, client));
  return timesOf(tookMs, (performance.now() - startMs) / 1000);
}

const TURN = 3;

/** A few of each, one after the other and over again, so that a noisy machine disturbs all alike. */
export async function askInTurns<K extends string>(
  seconds: number,
  asks: Readonly<Record<K, Ask>>,
): Promise<Readonly<Record<K, Times>>> {
  const names = Object.keys(asks) as K[];
  const tookMs = new Map<K, number[]>(names.map(name => [name, []]));
  const startMs = performance.now();
  while (performance.now() < startMs + seconds * 1000) {
    for (const name of names) {
      for (let turn = 0; turn < TURN; turn++) tookMs.get(name)?.push(await timed(asks[name]));
    }
  }
  const took = (performance.now() - startMs) / 1000;
  const times = names.map(name => [name, timesOf(tookMs.get(name) ?? [], took)] as const);
  return Object.fromEntries(times) as Record<K, Times>;
}

async function timed(ask: Ask): Promise<number> {
  const startMs = performance.now();
  await ask();
  return performance.now() - startMs;
}

function timesOf(tookMs: readonly number[], seconds: number): Times {
  return {
    count: tookMs.length,
    seconds,
    p50Ms: percentile(tookMs, 0.5),
    p99Ms: percentile(tookMs, 0.99),
    maxMs: Math.max(...tookMs),
  };
}
