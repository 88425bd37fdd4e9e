import { PassThrough, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { getCommand } from '../../../src/cli/get.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const COMPLETE = { partial: false, shards: { total: 2, ok: 2, failed: [] } };
const PARTIAL = {
  partial: true,
  shards: { total: 2, ok: 1, failed: [{ id: 's1', reason: 'no answer within 8000 ms', elapsed_ms: 8000 }] },
};

interface RunOptions {
  readonly isTty?: boolean;
  readonly answer?: unknown;
  readonly status?: number;
  readonly fail?: Error;
}

async function run(
  argv: string[],
  { isTty = false, answer = COMPLETE, status = 200, fail }: RunOptions = {},
) {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const asked: string[] = [];
  const exitCode = await getCommand(argv, {
    stdout,
    stderr,
    isTty,
    fetch: url => {
      asked.push(String(url));
      if (fail !== undefined) return Promise.reject(fail);
      return Promise.resolve(
        new Response(typeof answer === 'string' ? answer : JSON.stringify(answer), { status }),
      );
    },
  });
  stdout.end();
  stderr.end();
  return { exitCode, asked, stdout: await text(stdout), stderr: await text(stderr) };
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('otelfan get asks', () => {
  it.each([
    ['services', '/api/v1/services'],
    ['/api/v1/services', '/api/v1/services'],
    ['api/v1/services', '/api/v1/services'],
    ['/logs', '/api/v1/logs'],
    [`traces/${TRACE_ID}`, `/api/v1/traces/${TRACE_ID}`],
    ['traces/a b?c#d%', '/api/v1/traces/a%20b%3Fc%23d%25'],
  ])('%s for %s', async (path, expected) => {
    expect((await run([path])).asked).toEqual([`http://127.0.0.1:7701${expected}`]);
  });

  it('with every flag as a parameter', async () => {
    const { asked } = await run([
      ...[
        'traces',
        '--service',
        'a b',
        '--operation=GET',
        '--min-duration-ms',
        '1.5',
        '--last',
        '1h',
        '--limit',
        '5',
      ],
      ...[
        '--attribute',
        'k=v',
        '--attribute',
        'k2=v2',
        '--strict',
        '--server',
        'https://otelfan.example/base/',
      ],
    ]);
    const url = new URL(asked[0] ?? '');
    expect(url.origin + url.pathname).toBe('https://otelfan.example/base/api/v1/traces');
    expect([...url.searchParams].toSorted()).toEqual([
      ['attribute', 'k2=v2'],
      ['attribute', 'k=v'],
      ['last', '1h'],
      ['limit', '5'],
      ['min_duration_ms', '1.5'],
      ['operation', 'GET'],
      ['partial', 'false'],
      ['service', 'a b'],
    ]);
  });

  it.each([
    [[], 'PATH'],
    [['traces', 'logs'], 'PATH'],
    [['traces', '--sevice', 'web'], '--sevice'],
    [['traces', '--limit'], '--limit'],
    [['traces/..'], 'traces/..'],
    [['traces//x'], 'traces//x'],
    [['traces', '--server', 'localhost:7701'], 'localhost:7701'],
    [['traces', '--server', 'http://'], '--server http://: expected a URL with http:// or https://'],
    [['traces', '--severity', 'error'], 'traces cannot be filtered by --severity'],
    [['/api/v1/services', '--last=1h'], 'services cannot be filtered by --last'],
    [[`traces/${TRACE_ID}`, '--service', 'web'], 'traces/<trace id> cannot be filtered by --service'],
    [['logs', '--name', 'x', '--limit', '1'], 'logs cannot be filtered by --name'],
    [['metrics', '--status', 'ok'], 'metrics cannot be filtered by --status'],
  ])('nothing when called as %j', async (argv, named) => {
    const { exitCode, asked, stderr, stdout } = await run(argv);
    expect(exitCode).toBe(2);
    expect(asked).toEqual([]);
    expect(stdout).toBe('');
    expect(stderr).toContain(named);
    expect(stderr).toContain('otelfan get --help');
  });

  it('nothing for --help, which has an example', async () => {
    const { exitCode, asked, stdout } = await run(['--help']);
    expect(exitCode).toBe(0);
    expect(asked).toEqual([]);
    expect(stdout).toMatch(/Example:.*\n {2}otelfan get traces --service/);
  });
});

describe('otelfan get in a pipe', () => {
  it('passes the JSON of the server on unchanged', async () => {
    const answer = '{"metrics":[{"value":1.0,"big":12345678901234567890}],"partial":false}';
    const { exitCode, stdout, stderr } = await run(['metrics'], { answer });
    expect(exitCode).toBe(0);
    expect(stdout).toBe(`${answer}\n`);
    expect(stderr).toBe('');
  });

  it('ends with 3 and names the missing shards when the answer is partial', async () => {
    const { exitCode, stdout, stderr } = await run(['logs'], { answer: { logs: [], count: 0, ...PARTIAL } });
    expect(exitCode).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ partial: true });
    expect(stderr).toBe(
      'otelfan get: partial answer, 1 of 2 shards are missing: s1 (no answer within 8000 ms)\n',
    );
  });

  it('names figures that are not exact, once for each reason', async () => {
    const reason = 't, a tael-server, has more than 50000 spans to go through (query.taelRowCap)';
    const inexact = ['traces.p95_ms', 'top_services'].map(field => ({ field, reason }));
    const { exitCode, stderr } = await run(['services'], {
      answer: { services: [], exact: false, inexact, ...COMPLETE },
    });
    expect(exitCode).toBe(0);
    expect(stderr).toBe(`otelfan get: not exact: traces.p95_ms, top_services (${reason})\n`);
  });

  it('ends with 4 when there is no such trace', async () => {
    const answer = { error: 'trace not found', ...COMPLETE };
    const { exitCode, stdout, stderr } = await run([`traces/${TRACE_ID}`], { answer, status: 404 });
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 4,
      stdout: '',
      stderr: 'otelfan get: trace not found\n',
    });
  });

  it.each([
    [{ status: 400, answer: { error: 'bad limit "x"' } }, 'the server answered 400: bad limit "x"'],
    [
      { status: 503, answer: { error: 'no shard answered', ...PARTIAL } },
      'the server answered 503: no shard answered',
    ],
    [{ status: 502, answer: '<html>' }, 'the server answered 502: no reason given'],
    [{ status: 200, answer: '<html>' }, 'the answer of the server is not JSON'],
    [{ status: 200, answer: 'null' }, 'the answer of the server is not JSON'],
    [
      {
        fail: new TypeError('fetch failed', {
          cause: Object.assign(new Error(''), { code: 'ECONNREFUSED' }),
        }),
      },
      'cannot reach http://127.0.0.1:7701: connection refused; is otelfan running?',
    ],
    [
      { fail: new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND nowhere') }) },
      'cannot reach http://127.0.0.1:7701: getaddrinfo ENOTFOUND nowhere',
    ],
    [
      { fail: new DOMException('timed out', 'TimeoutError') },
      'cannot reach http://127.0.0.1:7701: timed out',
    ],
  ])('ends with 1 and one clear line for %j', async (options, line) => {
    const { exitCode, stdout, stderr } = await run(['logs'], options);
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `otelfan get: ${line}\n`,
    });
  });

  it('ends quietly when its reader has gone', async () => {
    const gone = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    });
    const answer = () => Promise.resolve(new Response('{}'));
    expect(
      await getCommand(['logs'], { stdout: gone, stderr: new PassThrough(), isTty: false, fetch: answer }),
    ).toBe(0);
  });
});

const span = (spanId: string, parent: string | null, operation: string, status = 'ok') => ({
  trace_id: TRACE_ID,
  span_id: spanId,
  parent_span_id: parent,
  service: 'web',
  operation,
  start_time: '2026-01-01T00:00:00Z',
  duration_ms: 1.5,
  status,
});

describe('otelfan get on a terminal', () => {
  it('shows services as a table', async () => {
    const services = [
      { name: 'checkout', span_count: 120, trace_count: 40, avg_duration_ms: 12.3456, error_rate: 0.025 },
      { name: 'db', span_count: 7, trace_count: 7, avg_duration_ms: 0, error_rate: 0 },
    ];
    vi.stubEnv('NO_COLOR', '1');
    const { exitCode, stdout } = await run(['services'], { isTty: true, answer: { services, ...COMPLETE } });
    expect(exitCode).toBe(0);
    expect(stdout).toBe(
      [
        'SERVICE   SPANS  TRACES      AVG  ERRORS',
        'checkout    120      40  12.35ms   2.50%',
        'db            7       7   0.00ms   0.00%',
        '',
      ].join('\n'),
    );
  });

  it('shows a trace as a tree in which every span is found once', async () => {
    const spans = [
      span('r', null, 'root'),
      span('a', 'r', 'first'),
      span('b', 'r', 'second'),
      span('c', 'a', 'deep', 'error'),
      span('o', 'gone', 'orphan'),
      span('x', 'y', 'circle x'),
      span('y', 'x', 'circle y'),
    ];
    vi.stubEnv('NO_COLOR', '1');
    const answer = { trace_id: TRACE_ID, span_count: spans.length, spans, ...COMPLETE };
    const { stdout } = await run([`traces/${TRACE_ID}`], { isTty: true, answer });
    const operations = stdout.split('\n').map(line => line.slice(0, 10).trimEnd());
    expect(operations).toEqual([
      'OPERATION',
      'root',
      '└ first',
      '  └ deep',
      '└ second',
      'orphan',
      'circle x',
      '└ circle y',
      '',
    ]);
  });

  it('shows spans, logs and metrics with what identifies them', async () => {
    const log = { timestamp: 'T1', severity: 'warn', service: 'web', body: 'low\ndisk', trace_id: null };
    const metric = {
      timestamp: 'T2',
      service: 'web',
      name: 'load',
      metric_type: 'gauge',
      value: null,
      value_text: 'NaN',
    };
    const point = { ...metric, unit: '1', attributes: { host: 'h1', cpu: '0' } };
    vi.stubEnv('NO_COLOR', '1');
    const spans = await run(['traces'], { isTty: true, answer: { spans: [span('a', null, 'GET /')] } });
    expect(spans.stdout).toMatch(
      /2026-01-01T00:00:00Z {2}web +GET \/ +1.50ms {2}ok +0af7651916cd43dd8448eb211c80319c\n/,
    );
    const logs = await run(['logs'], { isTty: true, answer: { logs: [log], count: 1 } });
    expect(logs.stdout).toMatch(/T1 +warn +web +low disk\n/);
    const metrics = await run(['metrics'], { isTty: true, answer: { metrics: [point], count: 1 } });
    expect(metrics.stdout).toMatch(/T2 +web +load +gauge +NaN +1 +host=h1 cpu=0\n/);
  });

  it('says that there is nothing instead of an empty table', async () => {
    expect((await run(['logs'], { isTty: true, answer: { logs: [], count: 0 } })).stdout).toBe('no logs\n');
  });

  it('shows JSON where it has no table and where it is told to', async () => {
    expect((await run(['summary'], { isTty: true, answer: { total: 1 } })).stdout).toBe('{"total":1}\n');
    expect((await run(['logs', '--json'], { isTty: true, answer: { logs: [] } })).stdout).toBe(
      '{"logs":[]}\n',
    );
  });

  it('is coloured unless NO_COLOR is set', async () => {
    const answer = { spans: [span('a', null, 'GET /', 'error')] };
    vi.stubEnv('NO_COLOR', '');
    expect((await run(['traces'], { isTty: true, answer })).stdout).toContain('\u001b[31merror');
    vi.stubEnv('NO_COLOR', '1');
    expect((await run(['traces'], { isTty: true, answer })).stdout).not.toContain('\u001b');
  });

  it('does not let telemetry send commands to the terminal', async () => {
    vi.stubEnv('NO_COLOR', '1');
    const log = {
      timestamp: 'T',
      severity: 'info',
      service: 'web',
      body: '\u001b[2J\u001b]0;x\u0007gone',
      trace_id: '',
    };
    const { stdout } = await run(['logs'], { isTty: true, answer: { logs: [log], count: 1 } });
    expect(stdout).toContain('gone');
    expect(stdout).not.toContain('\u001b');
  });
});
