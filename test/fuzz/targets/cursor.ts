import assert from 'node:assert/strict';
import { decodeCursor, encodeCursor } from '../../../src/query/rows/cursor.ts';
import { type FuzzTarget, plainTarget } from '../target.ts';

const CURSORS = [
  {
    read: 'traces',
    fingerprint: 'abc',
    fromNs: '1600000000000000000',
    key: ['00000000000000000001', 'ff', 'ee'],
  },
  { read: 'logs', fingerprint: '', key: [] },
];

/** The JSON of a cursor: it is refused with a reason, or means the same when it is written again. */
export function cursorTarget(): FuzzTarget {
  const shards = new Map([
    ['s0', { asOf: '12', given: 3 }],
    ['s1', { asOf: '0', given: 0 }],
  ]);
  return plainTarget({
    name: 'cursor',
    seeds: CURSORS.map(cursor => Buffer.from(encodeCursor({ ...cursor, shards }), 'base64url')),
    dictionary: ['null', '{}', '[]', '"__proto__"', '1e999', '-1', '"v":2,'],
    check(input) {
      for (const text of [input.toString('base64url'), input.toString('latin1')]) {
        const decoded = decodeCursor(text);
        if (decoded.kind === 'bad') assert.match(decoded.error, /^bad cursor/);
        else assert.deepEqual(decodeCursor(encodeCursor(decoded.cursor)), decoded);
      }
    },
  });
}
