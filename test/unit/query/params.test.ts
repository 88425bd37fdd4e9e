import { describe, expect, it } from 'vitest';
import { flag } from '../../../src/query/params.ts';
import { logsRead } from '../../../src/query/reads/logs.ts';
import { metricsRead } from '../../../src/query/reads/metrics.ts';
import type { Read } from '../../../src/query/reads/read.ts';
import { traceRead } from '../../../src/query/reads/trace.ts';
import { tracesRead } from '../../../src/query/reads/traces.ts';
import { SHARD_READS } from '../../../src/shared/read/contract.ts';

const NOW_NS = 1_700_000_000_000_000_000n;
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';

function parse(read: Read, query: string, path: Record<string, string> = {}) {
  return read.plan(
    { path, search: new URLSearchParams(query) },
    { nowNs: NOW_NS, maxRows: 1000, maxGroups: 1000, maxEvalRows: 1000, maxWindowMs: 0 },
  );
}

/** What a shard gets after the trip as JSON, once its own schema has accepted it. */
function sent(read: Read, query: string, path?: Record<string, string>): unknown {
  const plan = parse(read, query, path);
  if (plan.kind !== 'rows') throw new Error(JSON.stringify(plan));
  return SHARD_READS[plan.shardRead].parse(JSON.parse(JSON.stringify(plan.request)));
}

describe('a flag', () => {
  it('is one of four words, and no word that every object knows', () => {
    expect(['true', 'FALSE', '1', '0'].map(flag.decode)).toEqual([true, false, true, false]);
    expect(['yes', '', 'constructor', '__proto__'].map(flag.decode)).toEqual(Array(4).fill(undefined));
  });
});

describe('parameters of the reads', () => {
  it('have the defaults of the contract', () => {
    expect(sent(tracesRead, '')).toEqual({
      attributes: [],
      attributeKeys: [],
      tracesWithText: [],
      limit: 100,
    });
    expect(sent(logsRead, '')).toEqual({ limit: 100 });
    expect(sent(metricsRead, '')).toEqual({ attributes: [], oldestFirst: false, limit: 500 });
  });

  it('all reach the shard', () => {
    const spans =
      'service=a+b&operation=GET+%2F&min_duration_ms=1&max_duration_ms=2&status=Error&last=1h&limit=5';
    expect(sent(tracesRead, `${spans}&text=Hello++World`)).toEqual({
      service: 'a b',
      operation: 'GET /',
      minDurationNs: '1000000',
      maxDurationNs: '2000000',
      status: 'error',
      fromNs: String(NOW_NS - 3_600_000_000_000n),
      attributes: [],
      text: 'Hello  World',
      tracesWithText: [],
      attributeKeys: [],
      limit: 5,
    });
    const logs = `service=s&severity=WARN&body_contains=X&text=a+b&trace_id=${TRACE_ID.toUpperCase()}&last=60&limit=0`;
    expect(sent(logsRead, logs)).toEqual({
      service: 's',
      severity: 'warn',
      bodyContains: 'X',
      text: 'a b',
      traceId: TRACE_ID,
      fromNs: String(NOW_NS - 60_000_000_000n),
      limit: 0,
    });
    expect(sent(metricsRead, 'service=s&name=n&metric_type=Gauge&last=2d&limit=1000')).toEqual({
      service: 's',
      name: 'n',
      metricType: 'gauge',
      fromNs: String(NOW_NS - 172_800_000_000_000n),
      attributes: [],
      oldestFirst: false,
      limit: 1000,
    });
    expect(sent(traceRead, '', { traceId: TRACE_ID.toUpperCase() })).toEqual({ traceId: TRACE_ID });
  });

  it('that a read does not know are ignored', () => {
    expect(sent(logsRead, 'operation=1&operation=2&colour=red')).toEqual({ limit: 100 });
  });

  it.each([
    ['a=b', [['a', 'b']]],
    ['+a+=+b+', [['a', ' b ']]],
    ['a=b=c', [['a', 'b=c']]],
    ['a=', [['a', '']]],
    ['a', []],
    ['=b', []],
    ['+=b', []],
    [
      'a=1&attribute=b=2',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
  ])('attribute=%s asks for %j', (query, attributes) => {
    expect(sent(tracesRead, `attribute=${query}`)).toMatchObject({ attributes });
  });

  it('ask for an empty text when it is there, which is not the same as no text', () => {
    expect(sent(tracesRead, 'text=')).toMatchObject({ text: '' });
    expect(sent(logsRead, 'text=')).toMatchObject({ text: '' });
    expect(sent(logsRead, '')).not.toHaveProperty('text', '');
  });

  it('start a window longer than the epoch at the epoch', () => {
    expect(sent(logsRead, 'last=300000d')).toMatchObject({ fromNs: '0' });
    expect(sent(logsRead, 'last=0')).toMatchObject({ fromNs: String(NOW_NS) });
  });

  it.each([
    ['1', '1000000', '1000000'],
    ['1.1', '1100000', '1100000'],
    ['0.1', '100000', '100000'],
    ['.5', '500000', '500000'],
    ['5.', '5000000', '5000000'],
    ['1.23456789', '1234568', '1234567'],
    ['-1.23456789', '-1234567', '-1234568'],
    ['-0', '0', '0'],
    ['1e3', '1000000000', '1000000000'],
    ['25e-8', '1', '0'],
    ['1e99', '100000000000000000000', '100000000000000000000'],
    ['-1E99', '-100000000000000000000', '-100000000000000000000'],
  ])('%s ms is the bound %s ns from below and %s ns from above', (ms, min, max) => {
    expect(sent(tracesRead, `min_duration_ms=${ms}&max_duration_ms=${ms}`)).toMatchObject({
      minDurationNs: min,
      maxDurationNs: max,
    });
  });

  const WINDOW = 'a whole number with s, m, h or d (15m, 24h), or bare seconds';
  const LIMIT = 'a whole number from 0 to 1000 (query.maxRows)';
  const NUMBER = 'a number of milliseconds (250, 1.5)';

  it.each([
    ...['1w', '1.5h', '500ms', '1H', '5+m', '1h30m', '-5', '', 'now'].map(value => ['last', value, WINDOW]),
    ...['', '-1', '1001', '1.0', '1e2', 'all', '99999999999999999999'].map(value => ['limit', value, LIMIT]),
    ...['', '.', 'NaN', 'inf', '1ms', '0x10', '1,5', '1e400'].map(value => [
      'min_duration_ms',
      value,
      NUMBER,
    ]),
    ['max_duration_ms', 'x', NUMBER],
    ...['', 'failed', 'ok,error'].map(value => ['status', value, 'one of ok, error, unset']),
  ])('%s=%s of traces is refused with the accepted form', (name, value, accepts) => {
    const quoted = JSON.stringify(new URLSearchParams(`v=${value}`).get('v'));
    expect(parse(tracesRead, `${name}=${value}`)).toEqual({
      kind: 'bad',
      error: `bad ${name} ${quoted}: expected ${accepts}`,
    });
  });

  it('that are unknown words are refused with the accepted ones', () => {
    expect(parse(logsRead, 'severity=warning')).toEqual({
      kind: 'bad',
      error: 'bad severity "warning": expected one of trace, debug, info, warn, error, fatal, unspecified',
    });
    expect(parse(metricsRead, 'metric_type=counter')).toEqual({
      kind: 'bad',
      error: 'bad metric_type "counter": expected one of gauge, sum, histogram, summary, unknown',
    });
  });

  it.each(['', 'live', '0', `${TRACE_ID}0`, `${TRACE_ID.slice(1)}g`, '../../healthz', `${TRACE_ID}\n`])(
    'refuse %j as a trace id',
    traceId => {
      const accepted = {
        kind: 'bad',
        error: expect.stringMatching(/^bad trace.id ".*": expected 32 hex digits$/),
      };
      expect(parse(traceRead, '', { traceId })).toEqual(accepted);
      expect(parse(logsRead, new URLSearchParams({ trace_id: traceId }).toString())).toEqual(accepted);
    },
  );

  it('are refused when given twice, also with the same value', () => {
    expect(parse(logsRead, 'service=a&service=a')).toEqual({
      kind: 'bad',
      error: 'parameter service is given more than once, accepted is one value',
    });
  });

  it('quote no more of a bad value than a line holds', () => {
    const parsed = parse(logsRead, `last=${'9'.repeat(10_000)}`);
    expect(parsed.kind === 'bad' && parsed.error.length).toBeLessThan(250);
  });
});
