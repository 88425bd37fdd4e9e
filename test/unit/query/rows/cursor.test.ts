import { describe, expect, it } from 'vitest';
import { type Cursor, decodeCursor, encodeCursor } from '../../../../src/query/rows/cursor.ts';

const cursor: Cursor = {
  read: 'logs',
  fingerprint: 'abc',
  fromNs: '17',
  key: ['1', '😀', ''],
  shards: new Map([
    ['s0', { asOf: '5', given: 2 }],
    ['s1', { asOf: '9', given: 0 }],
  ]),
};
const form = {
  v: 1,
  read: 'logs',
  query: 'abc',
  from: '17',
  key: ['1'],
  shards: { s0: ['5', 2] },
};
const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a cursor', () => {
  it('says again what it was made of', () => {
    expect(decodeCursor(encodeCursor(cursor))).toEqual({ kind: 'cursor', cursor });
    const { fromNs: _from, ...unbounded } = cursor;
    expect(decodeCursor(encodeCursor(unbounded))).toEqual({ kind: 'cursor', cursor: unbounded });
  });

  it('fits a URL as it is', () => {
    const text = encodeCursor(cursor);
    expect(encodeURIComponent(text)).toBe(text);
  });

  it.each(['', 'null!', 'bm8', encoded(form).slice(1)])('is not just any text: %o', text => {
    const decoded = decodeCursor(text);
    expect(decoded).toMatchObject({ kind: 'bad', error: expect.stringMatching(/^bad cursor/) });
  });

  it.each<[string, object, string]>([
    ['another format', { v: 2 }, 'v: expected 1, the format that this version reads'],
    ['no read', { read: undefined }, 'read: expected the name of a read'],
    ['no fingerprint', { query: 1 }, 'query: expected a fingerprint'],
    ['a bad window', { from: '-1' }, 'from: expected nanoseconds'],
    ['no key', { key: '1' }, 'key: expected a sort key'],
    ['a bad key', { key: ['1', 2] }, 'key.1: expected text'],
    ['no shards', { shards: undefined }, 'shards: expected commits by shard'],
    ['a bad commit', { shards: { s0: ['x', 0] } }, 'shards.s0.0: expected a commit number'],
    ['a bad count', { shards: { s0: ['1', -1] } }, 'shards.s0.1: expected a number of rows'],
    ['a count without bound', { shards: { s0: ['1', 2e9] } }, 'shards.s0.1: expected fewer rows'],
    ['a member of its own', { extra: 1 }, 'Unrecognized key: "extra"'],
  ])('is refused with %s', (_what, change, why) => {
    expect(decodeCursor(encoded({ ...form, ...change }))).toEqual({
      kind: 'bad',
      error: `bad cursor: expected the next_cursor of an earlier answer; ${why}`,
    });
  });
});
