import assert from 'node:assert/strict';
import { Client } from 'undici';
import { startQuery, startShards } from '../../support/query-harness.ts';
import { answers } from '../../support/stub-shard.ts';
import type { FuzzTarget } from '../target.ts';
import { texts } from '../target.ts';

const TRACE = '0123456789abcdef0123456789abcdef';
const SEEDS = [
  '/api/v1/traces?service=a&operation=b&status=error&min_duration=1ms&max_duration=5s&last=1h&limit=10&attribute=a=b',
  `/api/v1/traces/${TRACE}?partial=false&timeout=5s&explain=1`,
  `/api/v1/traces/${TRACE}/comments`,
  '/api/v1/comments?last=1d&limit=5',
  '/api/v1/logs?service=a&severity=warn&body=x&trace_id=0123456789abcdef0123456789abcdef&text=y&last=30m',
  '/api/v1/metrics?service=a&name=b&type=gauge&limit=7&cursor=eyJ2IjoxfQ',
  '/api/v1/metrics/query?query=sum(rate(x[5m]))&time=1700000000',
  '/api/v1/services?last=1h',
  '/api/v1/summary?last=1h&service=a',
  '/api/v1/anomalies?last=1h&service=a',
  `/api/v1/correlate?trace_id=${TRACE}`,
  '/api/v1/evals/runs?suite=a&limit=3',
  '/api/v1/evals/compare?baseline=a&candidate=b',
];
const WORDS = [
  '&',
  '=',
  '?',
  '/',
  '%00',
  '%',
  '%zz',
  '%F0%9F%98%80',
  '-1',
  '1e9',
  '99999999999999999999',
  'NaN',
  'last=',
  'limit=',
  'cursor=',
  'timeout=0',
  '..',
  ';',
  '+',
  '"',
];

/** Every parameter of every read, over a real socket: answered, in JSON, and never with a 5xx. */
export function queryParametersTarget(): FuzzTarget {
  return {
    name: 'query-parameters',
    seeds: texts(...SEEDS),
    dictionary: texts(...WORDS),
    async open() {
      const shards = await startShards(answers([]));
      const query = await startQuery(
        shards.map(({ spec }) => spec),
        { timeoutMs: 10_000 },
      );
      const client = new Client(query.origin);
      return {
        async check(input) {
          // What HTTP allows in a request line; everything else a client has to write with percent signs.
          const path = input.toString('latin1').replace(/[^!-~]/g, char => encodeURIComponent(char));
          if (!path.startsWith('/') || path.includes('/live')) return;
          const { statusCode, headers, body } = await client.request({ method: 'GET', path });
          const text = await body.text();
          assert.ok(statusCode < 500, `answered ${statusCode}: ${text}`);
          if (headers['content-type']?.includes('json')) JSON.parse(text);
        },
        async close() {
          await client.destroy();
          await query.stop();
          await Promise.all(shards.map(shard => shard.stop()));
        },
      };
    },
  };
}
