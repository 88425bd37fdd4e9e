import { type Column, printable, renderTable } from './table.ts';

/** One element of a PromQL answer. */
export interface SeriesRow {
  readonly metric: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number | null;
  readonly value_text?: string;
  readonly timestamp: string;
}

/** A row of an SQL answer; its columns are those of the query. */
export type SqlRow = Readonly<Record<string, unknown>>;

type StyleTitle = (text: string) => string;

const SERIES_COLUMNS: readonly Column<SeriesRow>[] = [
  { title: 'TIME', cell: row => row.timestamp },
  { title: 'METRIC', cell: row => row.metric, maxWidth: 48 },
  { title: 'LABELS', cell: row => pairs(row.labels), maxWidth: 100 },
  { title: 'VALUE', cell: row => row.value_text ?? String(row.value ?? ''), align: 'right' },
];

export function seriesTable(rows: readonly SeriesRow[], styleTitle: StyleTitle): string {
  if (rows.length === 0) return 'no series\n';
  return renderTable({ columns: SERIES_COLUMNS, rows, styleTitle });
}

const MAX_CELL_WIDTH = 100;

export function sqlTable(rows: readonly SqlRow[], styleTitle: StyleTitle): string {
  const [first] = rows;
  if (first === undefined) return 'no rows\n';
  const columns = Object.keys(first).map(
    (name): Column<SqlRow> => ({
      title: printable(name),
      cell: row => cellText(row[name]),
      align: typeof first[name] === 'number' ? 'right' : 'left',
      maxWidth: MAX_CELL_WIDTH,
    }),
  );
  return renderTable({ columns, rows, styleTitle });
}

function cellText(cell: unknown): string {
  return typeof cell === 'string' ? cell : JSON.stringify(cell ?? null);
}

function pairs(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}
