import { type Paint, pairs, show } from './paint.ts';
import { type Column, printable } from './table.ts';

/** One element of a PromQL answer. */
interface SeriesRow {
  readonly metric: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number | null;
  readonly value_text?: string;
  readonly timestamp: string;
}

/** A row of an SQL answer; its columns are those of the query. */
type SqlRow = Readonly<Record<string, unknown>>;

const SERIES_COLUMNS: readonly Column<SeriesRow>[] = [
  { title: 'TIME', cell: row => row.timestamp },
  { title: 'METRIC', cell: row => row.metric, maxWidth: 48 },
  { title: 'LABELS', cell: row => pairs(row.labels), maxWidth: 100 },
  { title: 'VALUE', cell: row => row.value_text ?? String(row.value ?? ''), align: 'right' },
];

export function seriesTable({ series }: { readonly series: readonly SeriesRow[] }, paint: Paint): string {
  return show('series', { columns: SERIES_COLUMNS, rows: series, paint });
}

const MAX_CELL_WIDTH = 100;

export function sqlTable({ rows }: { readonly rows: readonly SqlRow[] }, paint: Paint): string {
  const [first = {}] = rows;
  const columns = Object.keys(first).map(
    (name): Column<SqlRow> => ({
      title: printable(name),
      cell: row => cellText(row[name]),
      align: typeof first[name] === 'number' ? 'right' : 'left',
      maxWidth: MAX_CELL_WIDTH,
    }),
  );
  return show('rows', { columns, rows, paint });
}

function cellText(cell: unknown): string {
  return typeof cell === 'string' ? cell : JSON.stringify(cell ?? null);
}
