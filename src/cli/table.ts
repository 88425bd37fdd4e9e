import { stripVTControlCharacters } from 'node:util';

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly align?: 'left' | 'right';
  /** Longer cells end in `…`. */
  readonly maxWidth?: number;
  /** Dresses the padded cell, in colour for example; must not change its width. */
  readonly style?: (text: string, row: Row) => string;
}

export interface TableOptions<Row> {
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly styleTitle?: (text: string) => string;
}

const GAP = '  ';

/** Lines of a table whose columns are as wide as their widest cell on a terminal. */
export function renderTable<Row>({ columns, rows, styleTitle = text => text }: TableOptions<Row>): string {
  const laidOut = columns.map(column => {
    const cells = rows.map(row => shorten(printable(column.cell(row)), column.maxWidth));
    return {
      column,
      cells,
      width: cells.reduce((width, cell) => Math.max(width, widthOf(cell)), widthOf(column.title)),
    };
  });
  const header = laidOut.map(({ column, width }) => pad(column.title, width, column.align));
  const lines = rows.map((row, index) =>
    laidOut.map(({ column, cells, width }) => {
      const padded = pad(cells[index] as string, width, column.align);
      return column.style === undefined ? padded : column.style(padded, row);
    }),
  );
  return [styleTitle(header.join(GAP).trimEnd()), ...lines.map(line => line.join(GAP).trimEnd())]
    .map(line => `${line}\n`)
    .join('');
}

/** Telemetry is foreign text: it must neither break the lines of a table nor send commands to a terminal. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
/** Emoji and the East Asian scripts take two columns. */
const WIDE =
  /^[\p{Emoji_Presentation}\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\u3000-\u303f\uff01-\uff60]/u;

export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(width - widthOf(text));
  return align === 'left' ? text + space : space + text;
}

function shorten(text: string, maxWidth = Number.POSITIVE_INFINITY): string {
  if (widthOf(text) <= maxWidth) return text;
  let short = '';
  let width = 1;
  for (const { segment } of graphemes.segment(text)) {
    width += widthOf(segment);
    if (width > maxWidth) break;
    short += segment;
  }
  return `${short}…`;
}
