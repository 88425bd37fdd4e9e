import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { getCommand } from '../../../src/cli/get.ts';

async function run(argv: string[], answer: object | string = {}) {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const asked: string[] = [];
  const exitCode = await getCommand(argv, {
    stdout,
    stderr,
    isTty: true,
    fetch: url => {
      asked.push(String(url));
      return Promise.resolve(new Response(typeof answer === 'string' ? answer : JSON.stringify(answer)));
    },
  });
  stdout.end();
  stderr.end();
  return { exitCode, asked, stdout: await text(stdout), stderr: await text(stderr) };
}

beforeEach(() => void vi.stubEnv('NO_COLOR', '1'));
afterEach(() => void vi.unstubAllEnvs());

describe('otelfan get with a question', () => {
  it('asks PromQL and SQL', async () => {
    const promql = await run(['promql', 'rate({"a.b"}[5m])', '--last', '1h']);
    const sql = await run(['sql', "SELECT 'a&b'", '--shard', 's1']);
    expect([promql, sql].map(({ asked }) => decodeURIComponent(asked[0] ?? '').replaceAll('+', ' '))).toEqual(
      [
        'http://127.0.0.1:7701/api/v1/metrics/query?query=rate({"a.b"}[5m])&last=1h',
        "http://127.0.0.1:7701/api/v1/sql?q=SELECT 'a&b'&shard=s1",
      ],
    );
  });

  it.each([
    [['promql'], 'promql needs one query, in quotes'],
    [['sql', 'SELECT', '1'], 'sql needs one query, in quotes'],
    [['sql', 'SELECT 1', '--last', '1h'], 'sql cannot be filtered by --last'],
    [['promql', 'x', '--shard', 's0'], 'promql cannot be filtered by --shard'],
  ])('is refused as %j', async (argv, error) => {
    const { exitCode, asked, stderr } = await run(argv);
    expect([exitCode, asked]).toEqual([2, []]);
    expect(stderr).toContain(error);
  });

  it('shows series as a table', async () => {
    const series = [
      { metric: 'sum', labels: { service: 'shop', a: 'b' }, value: 0.5, timestamp: 'T1' },
      { metric: 'up', labels: {}, value: null, value_text: 'NaN', timestamp: 'T2' },
    ];
    expect((await run(['promql', 'x'], { query: 'x', series, count: 2 })).stdout).toBe(
      [
        'TIME  METRIC  LABELS            VALUE',
        'T1    sum     service=shop a=b    0.5',
        'T2    up                          NaN',
        '',
      ].join('\n'),
    );
    expect((await run(['promql', 'x'], { series: [], count: 0 })).stdout).toBe('no series\n');
  });

  it('shows the rows of SQL under the names of the query, and says when there are more', async () => {
    const rows = [
      { n: 12, service: 'shop', all: null },
      { n: 3, service: 'x\u001b[2Jy', all: true },
    ];
    const { stdout, stderr, exitCode } = await run(['sql', 'SELECT 1'], { rows, count: 2, truncated: true });
    expect(stdout).toBe([' n  service  all', '12  shop     null', ' 3  xy       true', ''].join('\n'));
    expect(stderr).toBe('otelfan get: there are more rows; shard.sql.maxRows bounds them\n');
    expect(exitCode).toBe(0);
    const big = '{"rows":[{"big":9223372036854775807}],"count":1,"truncated":false}';
    expect((await run(['sql', 'SELECT 1'], big)).stdout).toMatch(/^ *big\n9223372036854775807\n$/);
    expect((await run(['sql', 'SELECT 1'], { rows: [], count: 0, truncated: false })).stdout).toBe(
      'no rows\n',
    );
  });
});
