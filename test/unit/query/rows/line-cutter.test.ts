import { describe, expect, it } from 'vitest';
import { createLineCutter } from '../../../../src/query/rows/line-cutter.ts';

function cut(chunks: readonly string[]): string[] {
  const cutter = createLineCutter();
  const lines: string[] = [];
  for (const chunk of chunks) {
    cutter.push(Buffer.from(chunk));
    for (let line = cutter.next(); line !== undefined; line = cutter.next()) lines.push(line.toString());
  }
  return lines;
}

describe('the line cutter', () => {
  it.each([
    ['one chunk', ['a\nbc\n\nd\n']],
    ['chunks that divide a line', ['a\nb', 'c\n', '\nd', '\n']],
    ['single bytes', [...'a\nbc\n\nd\n']],
    ['a chunk without a newline, and an empty one', ['a\nb', '', 'c', '\n\nd\n']],
  ])('finds the lines of %s', (_what, chunks) => {
    expect(cut(chunks)).toEqual(['a', 'bc', '', 'd']);
  });

  it('gives each line before the next chunk is there', () => {
    const cutter = createLineCutter();
    cutter.push(Buffer.from('a\nb'));
    expect(cutter.next()?.toString()).toBe('a');
    expect(cutter.next()).toBeUndefined();
    expect(cutter.pendingBytes()).toBe(1);
  });

  it('counts the bytes of a line that has not come to its end', () => {
    const cutter = createLineCutter();
    for (const chunk of ['a\nbc', 'de', 'f\ngh']) cutter.push(Buffer.from(chunk));
    expect(cutter.pendingBytes()).toBe(10);
  });
});
