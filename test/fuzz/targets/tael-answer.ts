import assert from 'node:assert/strict';
import { heldPieces } from '../../../src/query/http-call.ts';
import { fetchRows, type TaelCall } from '../../../src/query/tael/fetch-rows.ts';
import { SPANS } from '../../../src/query/tael/spans.ts';
import { parseRowLine } from '../../../src/shared/read/ndjson.ts';
import { shardSpec } from '../../support/stub-shard.ts';
import { type FuzzTarget, plainTarget } from '../target.ts';

const SPAN = {
  attributes: { 'http.route': '/pay', quote: '{"}]\\' },
  duration_ms: 0.999936,
  end_time: '2026-11-25T19:22:58.279000127Z',
  events: [{ attributes: {}, name: 'e', timestamp: '2026-11-25T19:22:58Z' }],
  kind: 'llm',
  llm: { input_tokens: 5, model: 'gpt' },
  operation: 'é 😀',
  parent_span_id: null,
  service: 'cart',
  span_id: 'bbbbbbbbbbbbbbb4',
  start_time: '2026-11-25T19:22:58.278000123Z',
  status: 'ok',
  trace_id: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2',
};
const CHUNK_BYTES = 100;

/** What a tael-server answers with: every row of it is read or counted, or the answer has failed. */
export function taelAnswerTarget(): FuzzTarget {
  return plainTarget({
    name: 'tael-answer',
    seeds: [{ spans: [SPAN, SPAN] }, { span_count: 0, spans: [], trace_id: '' }].map(answer =>
      Buffer.from(JSON.stringify(answer)),
    ),
    dictionary: [
      '{',
      '}',
      '[',
      ']',
      '"',
      '\\',
      '"spans":[',
      'null',
      ',',
      '{"trace_id":',
      '1970-01-01T00:00:00Z',
    ],
    check,
  });
}

async function check(input: Buffer): Promise<void> {
  const outcome = await fetchRows(callAnsweredWith(input), {
    path: SPANS.path,
    member: SPANS.member,
    take: value => SPANS.decode(value) ?? 'unreadable',
  });
  const objects = objectsIn(input);
  if (outcome.kind !== 'answered') {
    assert.equal(outcome.kind, 'failed');
    assert.equal(objects, undefined, `failed: ${outcome.reason}`);
    return;
  }
  const { rows, read, unreadable } = outcome.value;
  if (objects !== undefined) assert.equal(read, objects);
  assert.equal(rows.length + unreadable, read);
  for (const row of rows) {
    const line = SPANS.line(SPANS.key(row), row, {});
    assert.deepEqual(JSON.parse(parseRowLine(line.trimEnd()).rowJson).trace_id, row.row.trace_id);
  }
}

/** How many rows an answer has that is nothing but the members of the contract; `undefined` for any other. */
function objectsIn(input: Buffer): number | undefined {
  try {
    const text = input.toString();
    const answer = JSON.parse(text);
    const { spans, ...rest } = answer;
    const isPlain = Object.values(rest).every(value => typeof value !== 'object' || value === null);
    if (!isPlain || !Array.isArray(spans) || text.split('"spans"').length !== 2) return undefined;
    // Of members of one name `JSON.parse` tells the last; the reader sees them all.
    if (openings(text) !== openings(JSON.stringify(answer))) return undefined;
    return spans.every(span => typeof span === 'object' && !Array.isArray(span) && span !== null)
      ? spans.length
      : undefined;
  } catch {
    return undefined;
  }
}

function openings(json: string): number {
  return json.split(/[[{]/).length;
}

function callAnsweredWith(input: Buffer): TaelCall {
  return {
    shard: { ...shardSpec('t', 1), kind: 'tael' },
    signal: new AbortController().signal,
    newMeter: undefined,
    nowNs: 0n,
    maxAnswerBytes: Number.POSITIVE_INFINITY,
    calls: {
      ask: (_shard, _call, take) => take({ statusCode: 200, headers: {}, body: heldPieces(chunksOf(input)) }),
    },
  };
}

function* chunksOf(input: Buffer): Generator<Buffer> {
  for (let at = 0; at < input.length; at += CHUNK_BYTES) yield input.subarray(at, at + CHUNK_BYTES);
}
