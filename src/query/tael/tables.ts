import type { ShardReadRequest } from '../../shared/read/contract.ts';
import type { WholeOutcome } from '../shard-call.ts';
import { type CommentsFilter, commentOf, commentsPath, isOnTraces, MOST_COMMENTS } from './comments.ts';
import { type FetchEnd, type FetchedRows, fetchRows, type TaelCall } from './fetch-rows.ts';
import { findRows } from './found-rows.ts';
import type { KeyedLine } from './keyed-lines.ts';
import { cutReason, mostCommentsReason } from './reasons.ts';
import type { ListedRead, RowFilter, TaelSignal } from './signal.ts';
import { SPANS, spanOfTrace } from './spans.ts';

/** Everything of a kind, as far as it was gone through. */
export interface Table<T> {
  readonly rows: readonly T[];
  /** What is wrong with it; absent when it is whole. */
  readonly flaw?: Flaw | undefined;
}

export interface Flaw {
  /** `cut`: there is more of it; `unreadable`: rows were left out. */
  readonly kind: 'cut' | 'unreadable';
  readonly reason: string;
}

export interface TableOptions<N extends ListedRead, R extends { readonly timeNs: bigint }, T> {
  readonly signal: TaelSignal<N, R>;
  readonly filter: RowFilter<N>;
  /** What is held of a row. */
  readonly make: (row: R) => T;
  /** `query.taelRowCap` */
  readonly rowCap: number;
}

/** All rows that match. */
export async function loadTable<N extends ListedRead, R extends { readonly timeNs: bigint }, T>(
  call: TaelCall,
  { rowCap, ...options }: TableOptions<N, R, T>,
): Promise<WholeOutcome<Table<T>>> {
  const { signal, filter } = options;
  const outcome = await findRows(call, { ...options, fromNs: filter.fromNs, most: rowCap });
  const isNewestFirst = signal.isNewestFirst(filter);
  return tableOf(outcome, { shardId: call.shard.id, what: signal.what, isNewestFirst });
}

/** The spans of one trace in the order of `GET /api/v1/traces/{trace_id}`, each once; or the one that is named. */
export async function loadTrace(
  call: TaelCall,
  { traceId, spanId }: Pick<ShardReadRequest<'trace'>, 'traceId' | 'spanId'>,
): Promise<WholeOutcome<Table<KeyedLine>>> {
  const seen = new Set<string>();
  const outcome = await fetchRows<KeyedLine>(call, {
    path: `${SPANS.path}/${encodeURIComponent(traceId)}`,
    member: SPANS.member,
    missing: 'trace not found',
    take(value) {
      const span = SPANS.decode(value);
      if (span === undefined) return 'unreadable';
      const { span_id: id } = span.row;
      if (seen.has(id) || (spanId !== undefined && id !== spanId)) return undefined;
      seen.add(id);
      return spanOfTrace(span);
    },
  });
  return tableOf(outcome, { shardId: call.shard.id, what: SPANS.what, isNewestFirst: false });
}

/** The comments on some traces, or on all. */
export async function loadComments(
  call: TaelCall,
  filter: CommentsFilter,
): Promise<WholeOutcome<Table<KeyedLine>>> {
  const isAsked = isOnTraces(filter);
  const outcome = await fetchRows<KeyedLine>(call, {
    path: commentsPath(filter),
    member: 'comments',
    take(value) {
      const comment = commentOf(value);
      if (comment === undefined) return 'unreadable';
      return isAsked(comment) ? comment : undefined;
    },
  });
  const table = tableOf(outcome, { shardId: call.shard.id, what: 'comments', isNewestFirst: true });
  if (table.kind !== 'answered' || outcome.kind !== 'answered' || outcome.value.read < MOST_COMMENTS)
    return table;
  const flaw = { kind: 'cut', reason: mostCommentsReason(call.shard.id, MOST_COMMENTS) } as const;
  return { kind: 'answered', value: { ...table.value, flaw } };
}

function tableOf<T>(
  outcome: WholeOutcome<FetchedRows<T>>,
  asked: Parameters<typeof flawOf>[1],
): WholeOutcome<Table<T>> {
  if (outcome.kind !== 'answered') return outcome;
  const { rows, ...fetched } = outcome.value;
  return { kind: 'answered', value: { rows, flaw: flawOf(fetched, asked) } };
}

function flawOf(fetched: FetchEnd, asked: Parameters<typeof cutReason>[1]): Flaw | undefined {
  const reason = cutReason(fetched, asked);
  const kind = fetched.cutBy === undefined ? 'unreadable' : 'cut';
  return reason === undefined ? undefined : { kind, reason };
}
