import { describe, expect, it } from 'vitest';
import { mergeRows } from '../../../../src/query/merge/k-way.ts';
import { compareUtf8 } from '../../../../src/query/merge/key-order.ts';
import { BrokenPart, type RowPart } from '../../../../src/query/merge/row-part.ts';
import { rowLine } from '../../../../src/shared/read/ndjson.ts';

const part = (shardId: string, ...lines: string[]): RowPart => ({
  shardId,
  lines: Buffer.from(lines.join('')),
});
const newestFirst = ['descending'] as const;

describe('mergeRows', () => {
  it('keeps the text of a row byte for byte', () => {
    const json = '{"n":1.0,"big":123456789012345678901,"s":"\\u00e9 \\/ 😀"}';
    expect(mergeRows({ parts: [part('s0', rowLine(['1'], json))], order: newestFirst, limit: 1 })).toEqual([
      json,
    ]);
  });

  it('does not read rows beyond the limit', () => {
    const parts = [part('s0', rowLine(['9'], '1'), 'garbage\n'), part('s1', rowLine(['8'], '2'))];
    expect(mergeRows({ parts, order: newestFirst, limit: 1 })).toEqual(['1']);
  });

  it('orders an emoji after a half-width form, as UTF-8 does and UTF-16 does not', () => {
    expect(compareUtf8('😀', '\uffee')).toBeGreaterThan(0);
    const parts = [part('s0', rowLine(['\uffee'], '"form"')), part('s1', rowLine(['😀'], '"emoji"'))];
    expect(mergeRows({ parts, order: newestFirst, limit: 2 })).toEqual(['"emoji"', '"form"']);
  });

  it('orders rows of equal key by their text, whichever shard holds them', () => {
    const parts = [part('s0', rowLine(['1'], '"a"')), part('s1', rowLine(['1'], '"b"'))];
    const merged = mergeRows({ parts, order: newestFirst, limit: 9 });
    expect(mergeRows({ parts: parts.toReversed(), order: newestFirst, limit: 9 })).toEqual(merged);
  });

  it('fills the limit with other rows where copies fall away', () => {
    const copy = rowLine(['9'], '"copy"');
    const parts = [part('s0', copy, rowLine(['8'], '"eight"')), part('s1', copy, rowLine(['7'], '"seven"'))];
    const identity = ([key]: readonly string[]) => key as string;
    expect(mergeRows({ parts, order: newestFirst, limit: 2, identity })).toEqual(['"copy"', '"eight"']);
  });

  it.each([
    ['is not a row line', 'garbage\n', 'sent a malformed row'],
    ['has a key that is not JSON', '{"k":[nonsense],"v":1}\n', 'sent a malformed row'],
    ['has a key of another length', '{"k":["1","2"],"v":1}\n', 'sent a row whose key does not fit the read'],
    ['has a key that is not text', '{"k":[1],"v":1}\n', 'sent a row whose key does not fit the read'],
    ['is out of order', `${rowLine(['1'], '1')}${rowLine(['2'], '2')}`, 'sent rows out of order'],
  ])('blames the shard whose row %s', (_what, lines, message) => {
    const merge = () =>
      mergeRows({
        parts: [part('s0', rowLine(['5'], '5')), part('s1', lines)],
        order: newestFirst,
        limit: 9,
      });
    expect(merge).toThrow(BrokenPart);
    expect(merge).toThrow(expect.objectContaining({ shardId: 's1', message }));
  });

  it('refuses an answer that would not fit into memory as one text', () => {
    const line = rowLine(['1'], `"${'x'.repeat(1024 * 1024)}"`);
    const parts = [part('s0', line.repeat(129))];
    expect(() => mergeRows({ parts, order: newestFirst, limit: 200 })).toThrow(
      /lower the limit or narrow the window/,
    );
  });
});
