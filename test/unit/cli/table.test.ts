import { describe, expect, it } from 'vitest';
import { type Column, printable, renderTable, widthOf } from '../../../src/cli/table.ts';

const NAME: Column<string> = { title: 'NAME', cell: name => name };
const LENGTH: Column<string> = { title: 'LEN', cell: name => String(name.length), align: 'right' };

describe('renderTable', () => {
  it('makes each column as wide as its widest cell and leaves no space at line ends', () => {
    expect(renderTable({ columns: [LENGTH, NAME], rows: ['checkout', 'a'] })).toBe(
      ['LEN  NAME', '  8  checkout', '  1  a', ''].join('\n'),
    );
  });

  it('aligns emoji and East Asian text by the columns they take on a terminal', () => {
    const rows = ['日本', '😀', 'é', 'e\u0301', 'ab'];
    const table = renderTable({ columns: [NAME, { ...LENGTH, cell: () => '|' }], rows });
    for (const line of table.trimEnd().split('\n').slice(1))
      expect(widthOf(line.replace(/ +\|$/, '')), line).toBeLessThan(5);
    expect(table).toBe(
      ['NAME  LEN', '日本    |', '😀      |', 'é       |', 'e\u0301       |', 'ab      |', ''].join('\n'),
    );
  });

  it('shortens long cells without splitting a character', () => {
    const columns = [{ ...NAME, maxWidth: 4 }];
    expect(renderTable({ columns, rows: ['abcd', 'abcde', '😀😀😀'] })).toBe('NAME\nabcd\nabc…\n😀…\n');
  });

  it('styles padded cells, so that colours do not move columns', () => {
    const columns = [{ ...NAME, style: (text: string) => `<${text}>` }, LENGTH];
    expect(renderTable({ columns, rows: ['a', 'abcdef'] })).toBe(
      'NAME    LEN\n<a     >    1\n<abcdef>    6\n',
    );
  });

  it('takes more rows than a call takes arguments', () => {
    const rows = Array.from({ length: 200_000 }, () => 'x');
    expect(renderTable({ columns: [NAME], rows }).length).toBe('NAME\n'.length + 2 * rows.length);
  });
});

describe('printable', () => {
  it.each([
    ['red \u001b[31malert\u001b[0m', 'red alert'],
    ['two\r\nlines', 'two lines'],
    ['tab\tbell\u0007nul\u0000', 'tab bell nul '],
    ['title \u001b]0;owned\u0007set', 'title set'],
    ['c1 \u009b31mred', 'c1 red'],
    ['line\u2028separator', 'line separator'],
    ['plain é 😀', 'plain é 😀'],
  ])('turns %j into %j', (foreign, shown) => {
    expect(printable(foreign)).toBe(shown);
  });
});
