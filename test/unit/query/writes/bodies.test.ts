import { describe, expect, it } from 'vitest';
import { commentWrite } from '../../../../src/query/writes/comment.ts';
import { runnerSpanWrite } from '../../../../src/query/writes/runner-span.ts';
import { scoreWrite } from '../../../../src/query/writes/score.ts';
import type { Write } from '../../../../src/query/writes/write.ts';
import { SHARD_WRITES } from '../../../../src/shared/read/writes.ts';

const NOW_NS = 1_700_000_000_000_000_000n;
const COMMENT = { body: 'flaky' };
const SCORE = { run_id: 'r', case_id: 'c', metric: 'm', value: 1 };
const RUNNER_SPAN = {
  suite_id: 's',
  run_id: 'r',
  case_id: 'c',
  trace_id: '0af7651916cd43dd8448eb211c80319c',
  span_id: '00f067aa0ba902b7',
};

interface Sent {
  readonly body: Buffer | string | object;
  readonly contentType?: string | undefined;
  readonly traceId?: string;
}

function plan(write: Write, { body, traceId = 'a', ...rest }: Sent) {
  const bytes = Buffer.isBuffer(body)
    ? body
    : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const contentType = 'contentType' in rest ? rest.contentType : 'application/json; charset=utf-8';
  return write.plan(
    { path: { traceId }, contentType, body: bytes },
    { nowNs: NOW_NS, identity: { id: 'id-1' } },
  );
}

function refusalOf(write: Write, sent: Sent): string {
  const planned = plan(write, sent);
  if (planned.kind !== 'refused') throw new Error('was accepted');
  return `${planned.status} ${planned.error}`;
}

function sentOf(write: Write, body: object): object {
  const planned = plan(write, { body });
  if (planned.kind === 'refused') throw new Error(planned.error);
  return JSON.parse(String(planned.embedded.body)) as object;
}

describe('what is posted', () => {
  it.each<[string, Write, object, string]>([
    [
      'a comment without a body',
      commentWrite,
      {},
      '400 member body is missing: expected text without lone surrogates',
    ],
    [
      'a comment whose body is no text',
      commentWrite,
      { body: 1 },
      '400 bad body "1": expected text without lone surrogates',
    ],
    [
      'half a surrogate pair',
      commentWrite,
      { body: '\ud800' },
      '400 bad body "\\ud800": expected text without lone surrogates',
    ],
    [
      'an author that is no text',
      commentWrite,
      { ...COMMENT, author: ['x'] },
      '400 bad author "[\\"x\\"]": expected text without lone surrogates',
    ],
    [
      'a span id with a slash',
      commentWrite,
      { ...COMMENT, span_id: 'a/b' },
      '400 bad span_id "a/b": expected 1 to 128 of A-Z a-z 0-9 . _ : -',
    ],
    [
      'a score without a run',
      scoreWrite,
      { ...SCORE, run_id: undefined },
      '400 member run_id is missing: expected text that is not blank',
    ],
    [
      'a score of a blank case',
      scoreWrite,
      { ...SCORE, case_id: ' \t' },
      '400 bad case_id " \\t": expected text that is not blank',
    ],
    [
      'a score of no metric',
      scoreWrite,
      { ...SCORE, metric: '' },
      '400 bad metric "": expected text that is not blank',
    ],
    [
      'a score whose value is text',
      scoreWrite,
      { ...SCORE, value: '1' },
      '400 bad value "1": expected a number',
    ],
    [
      'a score without a value',
      scoreWrite,
      { ...SCORE, value: null },
      '400 bad value "null": expected a number',
    ],
    [
      'a label that is no text',
      scoreWrite,
      { ...SCORE, label: true },
      '400 bad label "true": expected text without lone surrogates',
    ],
    [
      'a runner span without a suite',
      runnerSpanWrite,
      { ...RUNNER_SPAN, suite_id: undefined },
      '400 member suite_id is missing: expected text that is not blank',
    ],
    [
      'a trace id that is no hex',
      runnerSpanWrite,
      { ...RUNNER_SPAN, trace_id: 'x'.repeat(32) },
      `400 bad trace_id "${'x'.repeat(32)}": expected 32 hex digits that are not all 0`,
    ],
    [
      'a trace id of zeros',
      runnerSpanWrite,
      { ...RUNNER_SPAN, trace_id: '0'.repeat(32) },
      `400 bad trace_id "${'0'.repeat(32)}": expected 32 hex digits that are not all 0`,
    ],
    [
      'a span id that is too short',
      runnerSpanWrite,
      { ...RUNNER_SPAN, span_id: '1' },
      '400 bad span_id "1": expected 16 hex digits that are not all 0',
    ],
    [
      'a status that there is not',
      runnerSpanWrite,
      { ...RUNNER_SPAN, status: 'passed' },
      '400 bad status "passed": expected one of ok, error, unset',
    ],
    [
      'a status that is no text',
      runnerSpanWrite,
      { ...RUNNER_SPAN, status: 0 },
      '400 bad status "0": expected one of ok, error, unset',
    ],
    [
      'a time that is none',
      runnerSpanWrite,
      { ...RUNNER_SPAN, start_time: 'now' },
      '400 bad start_time "now": expected an RFC 3339 time from 1970 to 2554 (2026-11-23T21:35:03.042Z)',
    ],
    [
      'a negative count',
      runnerSpanWrite,
      { ...RUNNER_SPAN, case_count: -1 },
      '400 bad case_count "-1": expected a whole number from 0',
    ],
    [
      'half a case',
      runnerSpanWrite,
      { ...RUNNER_SPAN, case_index: 0.5 },
      '400 bad case_index "0.5": expected a whole number from 0',
    ],
    [
      'a negative duration',
      runnerSpanWrite,
      { ...RUNNER_SPAN, duration_ms: -1 },
      '400 bad duration_ms "-1": expected a number of milliseconds from 0 to 1000000000000',
    ],
    [
      'a list',
      scoreWrite,
      [SCORE],
      `400 bad body ${JSON.stringify(JSON.stringify([SCORE]))}: expected a JSON object`,
    ],
  ])('is refused for %s, with its name and what is accepted', (_what, write, body, error) => {
    expect(refusalOf(write, { body })).toBe(error);
  });

  it('is refused when it is no JSON in UTF-8, or a number that no double holds', () => {
    expect(refusalOf(scoreWrite, { body: '{"run_id":' })).toMatch(/^400 the body is not JSON in UTF-8: /);
    expect(refusalOf(scoreWrite, { body: '' })).toMatch(/^400 the body is not JSON in UTF-8: /);
    expect(refusalOf(commentWrite, { body: Buffer.from('{"body":"\xff"}', 'latin1') })).toMatch(
      /^400 the body is not JSON in UTF-8: /,
    );
    const tooLarge = JSON.stringify(SCORE).replace('"value":1', '"value":1e999');
    expect(refusalOf(scoreWrite, { body: tooLarge })).toBe('400 bad value "null": expected a number');
  });

  it.each([
    [undefined, '(none)'],
    ['text/plain', '"text/plain"'],
    ['application/x-www-form-urlencoded', '"application/x-www-form-urlencoded"'],
    ['application/jsonl', '"application/jsonl"'],
  ])('is refused as %s, which a page of another site could post, too', (contentType, shown) => {
    expect(refusalOf(scoreWrite, { body: SCORE, contentType })).toBe(
      `415 bad content-type ${shown}: expected application/json`,
    );
  });

  it.each(['application/json', 'Application/JSON ; charset=UTF-8', 'application/vnd.x+json'])(
    'is taken as %s',
    contentType => {
      expect(plan(scoreWrite, { body: SCORE, contentType }).kind).toBe('write');
    },
  );

  it.each(['..%2f', 'a/b', 'a b', 'ä', '', 'a'.repeat(129), 'a?b', '#'])(
    'H5: is refused for a comment on %j, which is no id',
    traceId => {
      expect(refusalOf(commentWrite, { body: COMMENT, traceId })).toMatch(/^400 bad trace id /);
    },
  );

  it('may have members that nobody knows, and null or empty text for what is not there', () => {
    const empty = { suite_id: null, trace_id: '', span_id: null, scorer: '', label: null, source: '' };
    expect(sentOf(scoreWrite, { ...SCORE, ...empty, rationale: 'long', nested: { a: 1 } })).toEqual({
      id: 'id-1',
      timeNs: NOW_NS.toString(),
      value: 1,
      attributes: { run_id: 'r', case_id: 'c', metric: 'm' },
    });
  });

  it('is what the shard accepts', () => {
    const times = { start_time: '2023-11-14T22:13:20Z', end_time: '', duration_ms: 0.0005, status: 'Error' };
    expect(SHARD_WRITES.comment.safeParse(sentOf(commentWrite, COMMENT)).error).toBeUndefined();
    expect(
      SHARD_WRITES.score.safeParse(sentOf(scoreWrite, { ...SCORE, value: -1e-7 })).error,
    ).toBeUndefined();
    const parsed = SHARD_WRITES.runnerSpan.parse(sentOf(runnerSpanWrite, { ...RUNNER_SPAN, ...times }));
    expect(parsed).toMatchObject({ endNs: '1700000000000000500', status: 'error' });
  });
});
