import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRowCutter } from '../../../../src/query/tael/row-cutter.ts';

/** The rows of an answer that comes in chunks of a size, and what is wrong with it in the end. */
function cut(answer: string, chunkBytes = 7, member = 'logs') {
  const bytes = Buffer.from(answer);
  const cutter = createRowCutter(member);
  const rows: unknown[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    cutter.push(bytes.subarray(at, at + chunkBytes));
    for (let row = cutter.next(); row !== undefined; row = cutter.next())
      rows.push(JSON.parse(row.toString()));
  }
  return { rows, fault: cutter.fault() };
}

describe('the rows of a tael-server', () => {
  it('are cut out of its answer whatever they say and however it comes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 4 }), { maxLength: 5 }),
        fc.integer({ min: 1, max: 50 }),
        fc.boolean(),
        (rows, chunkBytes, isSpaced) => {
          const answer = JSON.stringify(
            { count: rows.length, logs: rows, trace_id: '}]"' },
            null,
            isSpaced ? 2 : 0,
          );
          const expected = JSON.parse(JSON.stringify(rows)) as unknown;
          expect(cut(answer, chunkBytes)).toEqual({ rows: expected, fault: undefined });
        },
      ),
    );
  });

  it.each([
    ['{"logs":[{"a":1},{"a":', [{ a: 1 }], 'answer ended in the middle of its rows'],
    ['{"logs":[{"a":1}]', [{ a: 1 }], 'answer ended in the middle of its rows'],
    ['{"logs":[', [], 'answer ended in the middle of its rows'],
    ['', [], 'sent something else than {"logs": […]}'],
    ['ok', [], 'sent something else than {"logs": […]}'],
    ['[{"a":1}]', [], 'sent something else than {"logs": […]}'],
    ['{"count":0}', [], 'sent something else than {"logs": […]}'],
    ['{"spans":[{"a":1}]}', [], 'sent something else than {"logs": […]}'],
    ['{"logs":{"a":1}}', [], 'sent something else than {"logs": […]}'],
    [`{"a":"${'x'.repeat(5000)}","logs":[]}`, [], 'sent something else than {"logs": […]}'],
  ])('are no whole answer in %s', (answer, rows, fault) => {
    for (const chunkBytes of [1, 5, 1000]) expect(cut(answer, chunkBytes)).toEqual({ rows, fault });
  });
});
