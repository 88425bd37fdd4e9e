import { Pool } from 'undici';
import {
  READ_API_VERSION,
  readPath,
  type Holdings as ShardHoldings,
  type ShardReadName,
  type ShardReadRequest,
} from '../../src/shared/read/contract.ts';
import { parseRowLine, parseTrailer } from '../../src/shared/read/ndjson.ts';
import { percentile } from '../figures.ts';
import type { Chance } from '../shaped/chance.ts';
import { SPANS_PER_TRACE, traceIdText } from '../shaped/ids.ts';
import type { Holdings } from '../shaped/requests.ts';
import { BASE_NS, STEP_NS } from '../shaped/source.ts';

/** A question of the read API, each time about something else of what the shard holds. */
export interface TimedRead {
  readonly name: string;
  readonly goalMs: number;
  ask(chance: Chance, holdings: Holdings): { readonly path: string; readonly body: unknown };
}

export interface ReadTimes {
  readonly p50Ms: number;
  readonly p95Ms: number;
}

const HOUR_NS = 3_600_000_000_000n;

/** What people ask a shard with so much data, in the words of its internal API. */
export function timedReads(services: readonly string[]): readonly TimedRead[] {
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
      ask: (chance, holdings) =>
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
      ask: (chance, holdings) =>
        ask('spans', {
          fromNs: lastHour(holdings.traces),
          attributes: [['enduser.id', `user-${digits(chance)}`]],
          limit: 100,
        }),
    },
    {
      name: 'log_substring_last_hour',
      goalMs: 100,
      ask: (chance, holdings) =>
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

interface Question {
  readonly chance: Chance;
  readonly holdings: Holdings;
}

/** Asks a shard's read API and takes the time until the answer is whole. */
export interface ReadClient {
  /** Milliseconds of one answer. */
  time(read: TimedRead, question: Question): Promise<number>;
  /** One after the other. */
  times(read: TimedRead, questions: () => Promise<Question>, count: number): Promise<ReadTimes>;
  /** What the shard holds now. */
  holdings(): Promise<Holdings>;
  close(): Promise<void>;
}

export function createReadClient(url: string): ReadClient {
  const pool = new Pool(url, { connections: 1, pipelining: 1 });
  const headers = { 'content-type': 'application/json' };
  const post = async (path: string, body: unknown): Promise<string> => {
    const answer = await pool.request({ method: 'POST', path, headers, body: JSON.stringify(body) });
    const text = await answer.body.text();
    const lastLine = text.trimEnd().split('\n').at(-1) ?? '';
    if (answer.statusCode !== 200 || parseTrailer(lastLine) === undefined) {
      throw new Error(`${path} was answered ${answer.statusCode}: ${lastLine.slice(0, 300)}`);
    }
    return text;
  };
  const time: ReadClient['time'] = async (read, { chance, holdings }) => {
    const { path, body } = read.ask(chance, holdings);
    const startMs = performance.now();
    await post(path, body);
    return performance.now() - startMs;
  };
  return {
    time,
    async times(read, questions, count) {
      const all: number[] = [];
      for (let index = 0; index < count; index++) all.push(await time(read, await questions()));
      return { p50Ms: percentile(all, 0.5), p95Ms: percentile(all, 0.95) };
    },
    async holdings() {
      const [line = ''] = (await post(readPath('holdings'), {})).split('\n');
      const { spans, logs, metrics } = JSON.parse(parseRowLine(line).rowJson) as ShardHoldings;
      return { traces: spans, logs, metrics };
    },
    close: () => pool.close(),
  };
}
