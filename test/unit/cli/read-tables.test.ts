import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { getCommand } from '../../../src/cli/get.ts';
import { type ReadAnswer, tableOf } from '../../../src/cli/read-tables.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const linesOf = (answer: ReadAnswer, color = false) => (tableOf(answer, { color }) ?? '').split('\n');

describe('the table of', () => {
  it('a summary has a part for each of its parts', () => {
    const summary = {
      window_seconds: 3600,
      service_filter: null,
      traces: {
        span_count: 120,
        trace_count: 40,
        error_count: 3,
        error_rate: 0.025,
        avg_ms: 12.3456,
        max_ms: 900,
        p50_ms: 10,
        p95_ms: 80.5,
        p99_ms: 100,
      },
      top_services: [
        { service: 'checkout', span_count: 100, error_rate: 0.03, p95_ms: 80.5 },
        { service: 'db', span_count: 20, error_rate: 0, p95_ms: 1 },
      ],
      top_error_operations: [{ service: 'checkout', operation: 'POST /pay', error_count: 3 }],
      logs: { total: 9, error: 1, warn: 2, info: 5, debug: 0 },
      metrics: { point_count: 1234, unique_names: 7 },
    };
    expect(linesOf(summary)).toEqual([
      'SPANS  TRACES  ERRORS      AVG      P50      P95       P99       MAX',
      '  120      40   2.50%  12.35ms  10.00ms  80.50ms  100.00ms  900.00ms',
      '',
      'SERVICE   SPANS  ERRORS      P95',
      'checkout    100   3.00%  80.50ms',
      'db           20   0.00%   1.00ms',
      '',
      'SERVICE   OPERATION  ERRORS',
      'checkout  POST /pay       3',
      '',
      'LOGS  ERROR  WARN  INFO  DEBUG',
      '   9      1     2     5      0',
      '',
      'METRIC POINTS  NAMES',
      '         1234      7',
      '',
    ]);
    expect(linesOf({ ...summary, top_error_operations: [] })).toContain('no failing operations');
  });

  it('anomalies says what is wrong, in the colour of its severity', () => {
    const anomalies = [
      {
        service: 'db',
        kind: 'latency_p95',
        severity: 'critical',
        description: 'p95 latency 30.0ms → 90.0ms (3.0× baseline)',
      },
      {
        service: 'checkout',
        kind: 'error_rate',
        severity: 'info',
        description: 'Error rate rose 4.2% → 10.0% (baseline 4.2%, 50 spans)',
      },
    ];
    expect(linesOf({ anomalies })).toEqual([
      'SEVERITY  SERVICE   KIND         WHAT',
      'critical  db        latency_p95  p95 latency 30.0ms → 90.0ms (3.0× baseline)',
      'info      checkout  error_rate   Error rate rose 4.2% → 10.0% (baseline 4.2%, 50 spans)',
      '',
    ]);
    expect(linesOf({ anomalies }, true)[1]).toContain('\u001b[31mcritical');
    expect(linesOf({ anomalies: [] })).toEqual(['no anomalies', '']);
  });

  it('a correlation has the trace, its log records and its metrics', () => {
    const correlation = {
      trace_id: TRACE_ID,
      span_count: 3,
      services: ['checkout', 'db'],
      start_time: '2026-01-01T00:00:00+00:00',
      end_time: '2026-01-01T00:00:00.042+00:00',
      duration_ms: 42,
      error_count: 1,
      logs: [
        { timestamp: 'T1', severity: 'error', service: 'checkout', body: 'declined', trace_id: TRACE_ID },
      ],
      metrics: [],
    };
    expect(linesOf(correlation)).toEqual([
      'TRACE                             START                      DURATION  SPANS  FAILED  SERVICES',
      `${TRACE_ID}  2026-01-01T00:00:00+00:00   42.00ms      3       1  checkout db`,
      '',
      'TIME  SEVERITY  SERVICE   BODY      TRACE',
      `T1    error     checkout  declined  ${TRACE_ID}`,
      '',
      'no metrics',
      '',
    ]);
  });

  it('comments has one line each, whatever is in them', () => {
    const comment = {
      id: 'c',
      trace_id: 'run:1',
      span_id: null,
      author: 'me',
      created_at: 'T',
      body: 'two\nlines',
    };
    expect(linesOf({ comments: [comment], count: 1 })).toEqual([
      'TIME  TRACE  SPAN  AUTHOR  COMMENT',
      'T     run:1        me      two lines',
      '',
    ]);
  });
});

describe('otelfan get', () => {
  async function ask(...argv: string[]) {
    const asked: string[] = [];
    const stderr = new PassThrough();
    const exitCode = await getCommand(argv, {
      stdout: new PassThrough(),
      stderr,
      isTty: false,
      fetch: url => {
        asked.push(String(url));
        return Promise.resolve(new Response('{}'));
      },
    });
    stderr.end();
    return { exitCode, asked, stderr: await text(stderr) };
  }

  it.each([
    [['summary', '--last', '1d', '--service', 'a b'], 'summary?last=1d&service=a+b'],
    [['anomalies', '--baseline=2d'], 'anomalies?baseline=2d'],
    [['correlate', '--trace', TRACE_ID], `correlate?trace=${TRACE_ID}`],
    [['comments', '--limit', '5', '--cursor', 'abc'], 'comments?limit=5&cursor=abc'],
    [['traces/run:1/comments'], 'traces/run%3A1/comments'],
  ])('asks as told by %j', async (argv, path) => {
    expect((await ask(...argv)).asked).toEqual([`http://127.0.0.1:7701/api/v1/${path}`]);
  });

  it.each([
    [['summary', '--limit', '5'], 'summary cannot be filtered by --limit'],
    [['anomalies', '--trace', TRACE_ID], 'anomalies cannot be filtered by --trace'],
    [['correlate', '--trace-id', TRACE_ID], 'correlate cannot be filtered by --trace-id'],
    [['traces/run:1/comments', '--limit', '5'], 'traces/<trace id>/comments cannot be filtered by --limit'],
  ])('refuses %j', async (argv, error) => {
    expect(await ask(...argv)).toMatchObject({
      exitCode: 2,
      asked: [],
      stderr: expect.stringContaining(error),
    });
  });
});
