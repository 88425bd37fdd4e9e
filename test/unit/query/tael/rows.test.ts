import { describe, expect, it } from 'vitest';
import { commentOf } from '../../../../src/query/tael/comments.ts';
import { LOGS } from '../../../../src/query/tael/logs.ts';
import { METRICS } from '../../../../src/query/tael/metrics.ts';
import type { ListedRead, TaelSignal } from '../../../../src/query/tael/signal.ts';
import { SPANS } from '../../../../src/query/tael/spans.ts';
import { parseRowLine } from '../../../../src/shared/read/ndjson.ts';

/* Rows as version 0.5.15 of a tael-server answered with them, unless a test says otherwise. */

const SPAN = `{"attributes":{"b":"true","d":"1000000000000000000000","gen_ai.system":"openai"},"duration_ms":0.999936,
  "end_time":"2026-11-25T19:22:58.279000127Z","events":[{"attributes":{"a":"x"},"name":"e",
  "timestamp":"2026-11-25T19:26:58.278Z"}],"kind":"llm","llm":{"input_tokens":5,"model":"gpt","operation":"chat",
  "prompt_sha256":"ff13","provider":"openai","temperature":0.5},"operation":"op 4","parent_span_id":null,"service":"cart",
  "span_id":"bbbbbbbbbbbbbbb4","start_time":"2026-11-25T19:22:58.278000123Z","status":"ok",
  "trace_id":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2"}`;
const LOG = `{"attributes":{"k":"v"},"body":"","body_sha256":"e797","observed_timestamp":"1970-01-01T00:00:00Z","service":"shop",
  "severity":"info","severity_text":"Info","span_id":null,"timestamp":"2026-11-25T19:26:58.277999999Z","trace_id":null}`;
const METRIC = `{"attributes":{},"histogram":{"bounds":[1.0],"count":3,"counts":[1,2],"max":2.0,"min":0.5,"sum":4.5,
  "temporality":"cumulative"},"metric_type":"histogram","name":"lat","service":"shop","timestamp":"2026-11-25T19:26:58.278Z",
  "unit":"ms","value":4.5}`;

function rowOf<N extends ListedRead, R extends { readonly timeNs: bigint }>(
  signal: TaelSignal<N, R>,
  json: string,
  changes: object = {},
) {
  const row = signal.decode({ ...(JSON.parse(json) as object), ...changes });
  if (row === undefined) return undefined;
  const { key, rowJson } = parseRowLine(signal.line(signal.key(row), row, {} as never).trimEnd());
  return { key, rowJson, row: JSON.parse(rowJson) as Record<string, unknown> };
}

const NOTHING_MORE = { otlp: {}, resource: {}, scope: {} };

describe('a span of a tael-server', () => {
  it('becomes a row of ours, whose duration is from its start to its end', () => {
    expect(rowOf(SPANS, SPAN)).toMatchObject({
      key: ['01795634578278000123', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2', 'bbbbbbbbbbbbbbb4'],
      row: { ...(JSON.parse(SPAN) as object), duration_ms: 1.000004, ...NOTHING_MORE },
    });
  });

  it('has its members in the order of ours', () => {
    expect(Object.keys(rowOf(SPANS, SPAN)?.row ?? {}).join()).toBe(
      'trace_id,span_id,parent_span_id,service,operation,start_time,end_time,duration_ms,status,attributes,events,kind,llm,otlp,resource,scope',
    );
  });

  it.each(['1969-12-31T23:59:59.999Z', '2554-07-21T23:34:33.709551616Z', '9999-01-01T00:00:00Z'])(
    'that starts at %s is none: no key and no cursor has room for it',
    start_time => {
      expect(rowOf(SPANS, SPAN, { start_time })).toBeUndefined();
    },
  );

  it('needs its ids and its start, and nothing else', () => {
    const nothing = {
      parent_span_id: null,
      service: null,
      operation: null,
      end_time: null,
      duration_ms: null,
    };
    const more = {
      status: 'weird',
      attributes: { a: null, b: 'x' },
      events: [{ name: 'e' }, null],
      kind: null,
      llm: null,
    };
    expect(rowOf(SPANS, SPAN, { ...nothing, ...more })?.row).toMatchObject({
      parent_span_id: null,
      service: '',
      operation: '',
      end_time: '2026-11-25T19:22:58.278000123Z',
      duration_ms: 0,
      status: 'unset',
      attributes: { b: 'x' },
      events: [],
      kind: 'internal',
    });
    for (const needed of ['trace_id', 'span_id', 'start_time']) {
      expect(rowOf(SPANS, SPAN, { [needed]: null })).toBeUndefined();
    }
    expect(SPANS.decode('span')).toBeUndefined();
  });

  it('keeps an id that is none of OTLP, under a key that a cursor can name', () => {
    const { key, row } = rowOf(SPANS, SPAN, { trace_id: 'Run/1', span_id: 'case' }) ?? { key: [] };
    expect(row).toMatchObject({ trace_id: 'Run/1', span_id: 'case' });
    expect(key).toEqual([
      expect.anything(),
      expect.stringMatching(/^[0-9a-f]{32}$/),
      expect.stringMatching(/^[0-9a-f]{16}$/),
    ]);
    expect(rowOf(SPANS, SPAN, { trace_id: 'Run/2', span_id: 'case' })?.key[1]).not.toBe(key[1]);
  });
});

describe('a log record of a tael-server', () => {
  it('becomes a row of ours', () => {
    expect(rowOf(LOGS, LOG)).toMatchObject({
      key: ['01795634818277999999', '00000000000000000000', '', '', expect.stringMatching(/^[0-9a-f]{16}$/)],
      row: { ...(JSON.parse(LOG) as object), ...NOTHING_MORE },
    });
  });

  it('has the same key however the attributes are ordered, and another one when they say something else', () => {
    const keyOf = (attributes: object) => rowOf(LOGS, LOG, { attributes })?.key;
    expect(keyOf({ a: '1', b: '2' })).toEqual(keyOf({ b: '2', a: '1' }));
    expect(keyOf({ a: '1', b: '2' })).not.toEqual(keyOf({ a: '1', b: '3' }));
  });
});

describe('a metric point of a tael-server', () => {
  it('becomes a row of ours, without what it says of buckets', () => {
    const { histogram: _, ...shown } = JSON.parse(METRIC) as { histogram: object };
    expect(rowOf(METRICS, METRIC)?.row).toEqual({ ...shown, ...NOTHING_MORE });
    expect(rowOf(METRICS, METRIC)?.key.slice(0, 3)).toEqual(['01795634818278000000', 'lat', 'shop']);
  });

  it('shows a value that JSON has no number for as null, and -0 as what it is', () => {
    expect(rowOf(METRICS, METRIC, { value: null })?.row).toMatchObject({ value: null });
    expect(rowOf(METRICS, METRIC, { value: -0 })?.rowJson).toContain('"value":-0,');
  });
});

describe('a time of a tael-server', () => {
  it.each([
    ['2026-11-25T19:26:58Z', '2026-11-25T19:26:58Z'],
    ['2026-11-25T19:26:58.1Z', '2026-11-25T19:26:58.100Z'],
    ['2026-11-25T20:26:58.1234567890+01:00', '2026-11-25T19:26:58.123456789Z'],
  ])('%s is shown as %s', (timestamp, shown) => {
    expect(rowOf(METRICS, METRIC, { timestamp })?.row).toMatchObject({ timestamp: shown });
  });

  it.each([null, 5, '', 'yesterday', '+10000-01-01T00:00:00Z'])('%s is none', timestamp => {
    expect(rowOf(METRICS, METRIC, { timestamp })).toBeUndefined();
  });

  it.each([
    ['2026-11-25T19:26:58.278000005+00:00', '2026-11-25T19:26:58.278000005+00:00'],
    ['2026-11-25 19:26:58.278', '2026-11-25T19:26:58.278+00:00'],
  ])('%s of a comment is shown as %s', (createdAt, shown) => {
    const comment = {
      id: 'c',
      trace_id: 't',
      span_id: null,
      author: null,
      body: 'hi',
      created_at: createdAt,
    };
    const { rowJson } = parseRowLine(commentOf(comment)?.line.trimEnd() ?? '');
    expect(JSON.parse(rowJson)).toEqual({ ...comment, author: '', created_at: shown });
    expect(commentOf({ ...comment, created_at: null })).toBeUndefined();
  });
});
