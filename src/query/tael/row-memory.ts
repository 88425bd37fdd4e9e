import type { KeyOrder } from '../merge/key-order.ts';
import type { ShardQuery } from '../reads/read.ts';
import type { WholeOutcome } from '../shard-call.ts';
import type { TaelCall } from './fetch-rows.ts';
import { type KeyedLine, pageOf, sortLines } from './keyed-lines.ts';
import { LOGS } from './logs.ts';
import { METRICS } from './metrics.ts';
import type { ListedRead, RowFilter, TaelSignal } from './signal.ts';
import { SPANS } from './spans.ts';
import { loadComments, loadTable, loadTrace, type Table } from './tables.ts';

/** Reads whose rows are those of the read API. */
export type RowQuery = Extract<ShardQuery, { readonly name: ListedRead | 'trace' | 'comments' }>;

const ROW_READS: readonly string[] = ['spans', 'trace', 'logs', 'metrics', 'comments'];

export function isRowQuery(query: ShardQuery): query is RowQuery {
  return ROW_READS.includes(query.name);
}

/** Rows of a shard that several pages of one read are of, fetched once. */
export interface RowMemory {
  load(call: TaelCall, query: RowQuery): Promise<WholeOutcome<'loaded'>>;
  /** Of what was loaded: the page that is asked for. */
  page(query: RowQuery): Table<KeyedLine>;
}

export interface RowMemoryOptions {
  /** `query.taelRowCap` */
  readonly rowCap: number;
}

export function createRowMemory(options: RowMemoryOptions): RowMemory {
  const known = new Map<string, Table<KeyedLine>>();

  return {
    async load(call, query) {
      const name = nameOf(query);
      if (known.has(name)) return LOADED;
      const outcome = await loadRows(call, query, options);
      if (outcome.kind !== 'answered') return outcome;
      known.set(name, { ...outcome.value, rows: sortLines(outcome.value.rows, orderOf(query)) });
      return LOADED;
    },
    page(query) {
      const { rows, flaw } = known.get(nameOf(query)) ?? { rows: [], flaw: undefined };
      if (query.name === 'trace') return { rows, flaw };
      const { startAt, limit } = query.request;
      return { rows: pageOf(rows, { startAt, limit, order: orderOf(query) }), flaw };
    },
  };
}

const LOADED = { kind: 'answered', value: 'loaded' } as const;

function nameOf({ name, request }: RowQuery): string {
  return JSON.stringify([name, { ...request, startAt: undefined, limit: undefined }]);
}

function loadRows(
  call: TaelCall,
  query: RowQuery,
  options: RowMemoryOptions,
): Promise<WholeOutcome<Table<KeyedLine>>> {
  switch (query.name) {
    case 'trace':
      return loadTrace(call, query.request);
    case 'comments':
      return loadComments(call, query.request);
    case 'spans':
      return loadTable(call, {
        ...options,
        signal: SPANS,
        filter: query.request,
        make: lineOf(SPANS, query.request),
      });
    case 'logs':
      return loadTable(call, {
        ...options,
        signal: LOGS,
        filter: query.request,
        make: lineOf(LOGS, query.request),
      });
    case 'metrics':
      return loadTable(call, {
        ...options,
        signal: METRICS,
        filter: query.request,
        make: lineOf(METRICS, query.request),
      });
  }
}

export function lineOf<N extends ListedRead, R extends { readonly timeNs: bigint }>(
  signal: TaelSignal<N, R>,
  filter: RowFilter<N>,
): (row: R) => KeyedLine {
  return row => {
    const key = signal.key(row);
    return { key, line: signal.line(key, row, filter) };
  };
}

/** As the internal read contract has it. */
export function orderOf({ name, request }: RowQuery): KeyOrder {
  switch (name) {
    case 'spans':
      return ['descending', 'descending', 'descending'];
    case 'trace':
      return ['ascending', 'ascending'];
    case 'logs':
      return ['descending', 'descending', 'descending', 'descending', 'descending'];
    case 'metrics': {
      const direction = request.oldestFirst === true ? 'ascending' : 'descending';
      return [direction, direction, direction, direction];
    }
    case 'comments': {
      const direction = request.newestFirst === true ? 'descending' : 'ascending';
      return [direction, direction];
    }
  }
}
