import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { heldPieces } from '../../../src/query/http-call.ts';
import { compareKeys, type KeyOrder } from '../../../src/query/merge/key-order.ts';
import { pageOf } from '../../../src/query/rows/page.ts';
import { type RowsOptions, runRows } from '../../../src/query/rows/run-rows.ts';
import { parseRowLine, rowLine, trailerLine } from '../../../src/shared/read/ndjson.ts';
import { shardSpec } from '../../support/stub-shard.ts';
import { type FuzzTarget, plainTarget } from '../target.ts';

const ORDER: KeyOrder = ['descending', 'descending'];
const SHARD_END = '\0';
const MAX_SHARDS = 4;
const LIMIT = 100_000;

const answer = (...keys: readonly string[]) =>
  keys.map(key => rowLine([key, 'x'], `{"id":"${key}"}`)).join('') +
  trailerLine({ rows: keys.length, asOf: '1', truncated: false });

/**
 * Answers of shards, merged: a shard whose answer is not whole and in order is said to be missing, and what is given of
 * the others is what they sent.
 */
export function mergeTarget(): FuzzTarget {
  return plainTarget({
    name: 'merge',
    seeds: [
      Buffer.from([answer('9', '5', '1'), answer('8', '5'), answer()].join(SHARD_END)),
      Buffer.from([answer('3'), answer('é', '😀', '1').replace('"rows":3', '"rows":4')].join(SHARD_END)),
    ],
    dictionary: [
      SHARD_END,
      '\n',
      '{"end":',
      '{"k":[',
      '],"v":',
      '}\n',
      '"rows":',
      '"truncated":true',
      'null',
      '[]',
    ],
    check,
  });
}

async function check(input: Buffer): Promise<void> {
  const bodies = input.toString('latin1').split(SHARD_END).slice(0, MAX_SHARDS);
  const bodyOf = (id: string) => Buffer.from(bodies[Number(id.slice(1))] as string, 'latin1');
  const reader: RowsOptions['reader'] = {
    rows: ({ id }) => {
      const body = heldPieces([bodyOf(id)].filter(({ length }) => length > 0).values());
      return Promise.resolve({ kind: 'answered', value: { asOf: '1', body } });
    },
  };
  const plan = {
    kind: 'rows',
    shardRead: 'spans',
    request: {},
    order: ORDER,
    limit: LIMIT,
    member: 'rows',
  } as const;
  const page = pageOf({ readName: 'traces', plan, search: new URLSearchParams() });
  if ('kind' in page) throw new Error(page.error);
  const outcome = await runRows({
    page,
    shards: bodies.map((_, index) => shardSpec(`s${index}`, 1)),
    reader,
    shares: { firstRows: () => LIMIT, learn: () => {} },
    timeoutMs: 10_000,
    signal: new AbortController().signal,
    isStrict: false,
  });
  if (outcome.kind !== 'held' && outcome.kind !== 'streamed') throw new Error(outcome.kind);
  const members = outcome.kind === 'held' ? Buffer.concat(outcome.members) : await buffer(outcome.pieces);
  const slots = outcome.kind === 'held' ? outcome.slots : outcome.slots();
  assert.equal(slots.length, bodies.length);
  const whole = slots
    .filter(({ kind }) => kind === 'answered')
    .map(({ shardId }) => bodyOf(shardId).toString());
  const given = whole.flatMap(rowsOfWhole);
  const text = `{${members}}`;
  for (const { rowJson } of given) assert.ok(text.includes(rowJson), `${rowJson} is missing`);
}

/** Throws unless the answer is whole by the contract's own words. */
function rowsOfWhole(body: string) {
  const lines = body.split('\n');
  assert.equal(lines.pop(), '', 'text behind the last line');
  const { end } = JSON.parse(lines.pop() ?? '');
  assert.equal(end.rows, lines.length);
  const rows = lines.map(parseRowLine);
  for (const [index, { key }] of rows.entries()) {
    if (index > 0) assert.ok(compareKeys(rows[index - 1]?.key ?? [], key, ORDER) <= 0, 'out of order');
  }
  return rows;
}
