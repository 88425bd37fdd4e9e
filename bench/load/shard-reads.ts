import { Pool } from 'undici';
import {
  READ_API_VERSION,
  readPath,
  type ShardReadName,
  type ShardReadRequest,
} from '../../src/shared/read/contract.ts';
import { parseTrailer } from '../../src/shared/read/ndjson.ts';
import { percentile } from '../figures.ts';
import type { Chance } from '../shaped/chance.ts';
import { SPANS_PER_TRACE, traceIdText } from '../shaped/ids.ts';
import type { Holdings } from '../shaped/requests.ts';
import { BASE_NS, STEP_NS } from '../shaped/source.ts';

/** A question of the read API, each time about something else. */
export interface TimedRead {
  readonly name: string;
  readonly goalMs: number;
  ask(chance: Chance): { readonly path: string; readonly body: unknown };
}

export interface ReadTimes {
  readonly p50Ms: number;
  readonly p95Ms: number;
}

const HOUR_NS = 3_600_000_000_000n;

/** What people ask a shard with so much data, in the words of its internal API. */
export function timedReads(holdings: Holdings, services: readonly string[]): readonly TimedRead[] {
  const lastHour = (records: number) => String(BASE_NS + BigInt(Math.round(records * STEP_NS)) - HOUR_NS);
  const digits = (chance: Chance) => String(chance.below(200_000)).padStart(8, '0');
  const ask = <N extends ShardReadName>(name: N, body: ShardReadRequest<N>) => ({
    path: readPath(name),
    body,
  });
  return [
    {
      name: 'trace_by_id',
      goalMs: 20,
      ask: chance =>
        ask('trace', { traceId: traceIdText(chance.below((0.9 * holdings.traces) / SPANS_PER_TRACE)) }),
    },
    {
      name: 'newest_100_of_service',
      goalMs: 50,
      ask: chance => ask('spans', { service: services[chance.below(services.length)], limit: 100 }),
    },
    {
      name: 'attribute_last_hour',
      goalMs: 100,
      ask: chance =>
        ask('spans', {
          fromNs: lastHour(holdings.traces),
          attributes: [['enduser.id', `user-${digits(chance)}`]],
          limit: 100,
        }),
    },
    {
      name: 'log_substring_last_hour',
      goalMs: 100,
      ask: chance =>
        ask('logs', { fromNs: lastHour(holdings.logs), bodyContains: `t ${digits(chance)} w`, limit: 100 }),
    },
    {
      name: 'summary_states',
      goalMs: 400,
      ask: () => ({
        path: `/internal/${READ_API_VERSION}/snapshot`,
        body: {
          reads: [
            { name: 'spanTotals', request: {} },
            { name: 'durationBuckets', request: { byService: true } },
            { name: 'groupCounts', request: { of: 'spans', by: ['service', 'operation'], status: 'error' } },
            { name: 'groupCounts', request: { of: 'logs', by: ['severity'] } },
            { name: 'groupCounts', request: { of: 'metrics', by: ['name'] } },
          ],
        },
      }),
    },
    { name: 'services', goalMs: 100, ask: () => ask('services', {}) },
  ];
}

/** Asks a shard's read API and takes the time until the answer is whole. */
export interface ReadClient {
  /** Milliseconds of one answer. */
  time(read: TimedRead, chance: Chance): Promise<number>;
  /** One after the other. */
  times(read: TimedRead, chance: Chance, count: number): Promise<ReadTimes>;
  close(): Promise<void>;
}

export function createReadClient(url: string): ReadClient {
  const pool = new Pool(url, { connections: 1, pipelining: 1 });
  const headers = { 'content-type': 'application/json' };
  const time: ReadClient['time'] = async (read, chance) => {
    const { path, body } = read.ask(chance);
    const startMs = performance.now();
    const answer = await pool.request({ method: 'POST', path, headers, body: JSON.stringify(body) });
    const text = await answer.body.text();
    const tookMs = performance.now() - startMs;
    const lastLine = text.trimEnd().split('\n').at(-1) ?? '';
    if (answer.statusCode !== 200 || parseTrailer(lastLine) === undefined) {
      throw new Error(`${read.name} was answered ${answer.statusCode}: ${lastLine.slice(0, 300)}`);
    }
    return tookMs;
  };
  return {
    time,
    async times(read, chance, count) {
      const all: number[] = [];
      for (let index = 0; index < count; index++) all.push(await time(read, chance));
      return { p50Ms: percentile(all, 0.5), p95Ms: percentile(all, 0.95) };
    },
    close: () => pool.close(),
  };
}
