import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VIEWS } from '../../../src/shard/sql/guard.ts';
import type { SqlAnswer } from '../../../src/shared/read/sql.ts';
import type { Json } from '../../support/otlp-arbitraries.ts';
import { attribute, spanId, traceId } from '../../support/otlp-samples.ts';
import { openSqlSite } from '../../support/sql-site.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

const TEXT = readFileSync(new URL('../../../docs/DATA-MODEL.md', import.meta.url), 'utf8');
const QUERIES = [...TEXT.matchAll(/^```sql\n(.*?)^```$/gms)].map(([, query = '']) => query);

let shard: TestShard;

beforeAll(async () => {
  shard = await startTestShard();
  const now = BigInt(Date.now()) * 1_000_000n;
  await shard.send('traces', { resourceSpans: [spansOf('web', now), spansOf('db', now)] });
  await shard.send('logs', {
    resourceLogs: [
      {
        resource: resourceOf('web'),
        scopeLogs: [
          {
            logRecords: [
              {
                timeUnixNano: String(now),
                severityNumber: 17,
                body: { stringValue: 'no' },
                traceId: traceId('t'),
                spanId: spanId('web'),
              },
            ],
          },
        ],
      },
    ],
  });
  const point = { timeUnixNano: String(now) };
  await shard.send('metrics', {
    resourceMetrics: [
      {
        resource: resourceOf('web'),
        scopeMetrics: [
          {
            metrics: [
              { name: 'http.server.requests', sum: { dataPoints: [{ ...point, asInt: '4' }] } },
              { name: 'latency', histogram: { dataPoints: [{ ...point, count: '2', sum: 3 }] } },
            ],
          },
        ],
      },
    ],
  });
  await write('comment', {
    id: 'c1',
    traceId: traceId('t'),
    author: 'ada',
    body: 'again',
    createdNs: String(now),
  });
});

afterAll(() => shard.remove());

async function write(kind: 'comment' | 'runnerSpan', body: Json): Promise<void> {
  const response = await fetch(`${shard.readUrl}/internal/v1/writes/${kind}`, {
    method: 'POST',
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
}

function resourceOf(service: string): Json {
  return { attributes: [attribute('service.name', service), attribute('host.name', 'h1')] };
}

/** A failed request in `web`, which called `db`, with an exception and a call of a language model. */
function spansOf(service: string, now: bigint): Json {
  const isRoot = service === 'web';
  return {
    resource: resourceOf(service),
    scopeSpans: [
      {
        spans: [
          {
            traceId: traceId('t'),
            spanId: spanId(service),
            ...(!isRoot && { parentSpanId: spanId('web') }),
            name: `op of ${service}`,
            kind: 2,
            startTimeUnixNano: String(now),
            endTimeUnixNano: String(now + 1_000_001n),
            status: { code: 2 },
            attributes: [
              attribute('http.route', '/pay'),
              attribute('http.response.status_code', 502),
              ...(isRoot ? [] : [attribute('gen_ai.system', 'x'), attribute('gen_ai.usage.input_tokens', 7)]),
            ],
            events: [
              {
                name: 'exception',
                timeUnixNano: String(now),
                attributes: [attribute('exception.type', 'Error')],
              },
            ],
          },
        ],
      },
    ],
  };
}

async function ask(query: string): Promise<{ status: number; body: SqlAnswer }> {
  const response = await fetch(`${shard.readUrl}/internal/v1/sql`, {
    method: 'POST',
    body: JSON.stringify({ query }),
  });
  return { status: response.status, body: (await response.json()) as SqlAnswer };
}

describe('docs/DATA-MODEL.md', () => {
  it.each(QUERIES)('has a query that gives rows: %s', async query => {
    const { status, body } = await ask(query);
    expect(body).toMatchObject({ truncated: false });
    expect(status).toBe(200);
    expect(body.rows).not.toEqual([]);
  });

  it('has every column of every view in its order, with its type', async () => {
    const site = await openSqlSite();
    const connection = await site.database.connect();
    try {
      for (const view of VIEWS) {
        const described = await connection.runAndReadAll(`DESCRIBE ${view}`);
        const columns = described.getRows().map(([name, type]) => `${String(name)} ${String(type)}`);
        expect(documentedColumns(view)).toEqual(columns);
      }
    } finally {
      connection.closeSync();
      await site.remove();
    }
  });

  it('shows a runner span that was posted again in its last version only', async () => {
    const span = { traceId: traceId('r'), spanId: spanId('r'), startNs: '1000', attributes: {} };
    await write('runnerSpan', { ...span, id: 'w1', endNs: '2000', status: 'unset' });
    await write('runnerSpan', { ...span, id: 'w2', endNs: '5000', status: 'ok' });
    const { body } = await ask(`SELECT status, duration_ns FROM spans WHERE trace_id = '${traceId('r')}'`);
    expect(body.rows).toEqual([{ status: 'ok', duration_ns: 4000 }]);
  });

  it('D14: shows durations to the nanosecond', async () => {
    const { body } = await ask("SELECT DISTINCT duration_ns, duration_ms FROM spans WHERE service = 'web'");
    expect(body.rows).toEqual([{ duration_ns: 1_000_001, duration_ms: 1.000001 }]);
  });
});

function documentedColumns(view: string): readonly string[] {
  const [, section = ''] = new RegExp(`^## \`${view}\`$(.*?)(?=^## )`, 'ms').exec(TEXT) ?? [];
  return [...section.matchAll(/^\| `(\w+)` +\| `(\w+)` +\|/gm)].map(([, name, type]) => `${name} ${type}`);
}
