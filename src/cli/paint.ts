import { styleText } from 'node:util';
import { type Column, renderTable } from './table.ts';

export interface Paint {
  readonly color: boolean;
}

export interface ShowOptions<Row> {
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly paint: Paint;
}

/** The rows as a table, or that there are none. */
export function show<Row>(what: string, { columns, rows, paint }: ShowOptions<Row>): string {
  if (rows.length === 0) return `no ${what}\n`;
  return renderTable({ columns, rows, styleTitle: text => dress(text, 'bold', paint) });
}

type Style = Parameters<typeof styleText>[0];

export function dress(text: string, style: Style, { color }: Paint): string {
  return color ? styleText(style, text, { validateStream: false }) : text;
}

export function milliseconds(ms: number): string {
  return `${ms.toFixed(2)}ms`;
}

/** A column of a share from 0 to 1, red where there is one. */
export function errorRate<Row extends { readonly error_rate: number }>(paint: Paint): Column<Row> {
  return {
    title: 'ERRORS',
    cell: row => `${(row.error_rate * 100).toFixed(2)}%`,
    align: 'right',
    style: (text, row) => (row.error_rate > 0 ? dress(text, 'red', paint) : text),
  };
}

/** `a=1 b=2` */
export function pairs(members: Readonly<Record<string, string>>): string {
  return Object.entries(members)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}
