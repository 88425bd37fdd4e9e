import { compareKeys } from '../merge/key-order.ts';
import type { ShardQuery } from '../reads/read.ts';
import type { WholeOutcome } from '../shard-call.ts';
import type { TaelCall } from './fetch-rows.ts';
import { findRows } from './found-rows.ts';
import { sortLines } from './keyed-lines.ts';
import { LOGS } from './logs.ts';
import { METRICS } from './metrics.ts';
import { type Attempt, newestOfAny, newestOfSorted } from './newest-rows.ts';
import { cutReason, largeBodiesReason, ownSearchReason } from './reasons.ts';
import { lineOf, orderOf, type RowMemoryOptions } from './row-memory.ts';
import type { ListedRead, RowFilter, TaelSignal } from './signal.ts';
import { SPANS } from './spans.ts';
import type { TaelPart } from './tael-part.ts';

/** A page of rows, newest first, of which it is not worth going through all. */
type NewestQuery = Extract<ShardQuery, { readonly name: ListedRead }>;

export function isNewestQuery(query: ShardQuery): query is NewestQuery {
  if (query.name === 'metrics') return query.request.oldestFirst !== true;
  return query.name === 'spans' || query.name === 'logs';
}

export function findNewest(
  call: TaelCall,
  query: NewestQuery,
  options: RowMemoryOptions,
): Promise<WholeOutcome<readonly [TaelPart]>> {
  switch (query.name) {
    case 'spans':
      return newestLines(call, { ...options, signal: SPANS, filter: query.request, query });
    case 'logs':
      return newestLines(call, { ...options, signal: LOGS, filter: query.request, query });
    case 'metrics':
      return newestLines(call, { ...options, signal: METRICS, filter: query.request, query });
  }
}

interface Newest<N extends ListedRead, R extends { readonly timeNs: bigint }> extends RowMemoryOptions {
  readonly signal: TaelSignal<N, R>;
  readonly filter: RowFilter<N>;
  readonly query: NewestQuery;
}

async function newestLines<N extends ListedRead, R extends { readonly timeNs: bigint }>(
  call: TaelCall,
  { signal, filter, query, rowCap }: Newest<N, R>,
): Promise<WholeOutcome<readonly [TaelPart]>> {
  const { startAt, limit, fromNs } = query.request;
  const order = orderOf(query);
  const startNs = startAt && BigInt(startAt[0]);
  const isFromStart = (row: R) =>
    startNs === undefined ||
    row.timeNs < startNs ||
    (row.timeNs === startNs && compareKeys(signal.key(row), startAt as readonly string[], order) >= 0);
  const toLine = lineOf(signal, filter);
  // A row takes several times as much as its line.
  const make = (row: R) => ({ timeNs: row.timeNs, ...toLine(row) });
  const options = {
    find: (attempt: Attempt) => findRows(call, { ...attempt, signal, filter, isWanted: isFromStart, make }),
    fromNs,
    wanted: limit,
    most: Math.max(rowCap, 2 * limit),
  };
  const isNewestFirst = signal.isNewestFirst(filter);
  const outcome = await (isNewestFirst
    ? newestOfSorted(options)
    : newestOfAny(options, startNs ?? call.nowNs));
  if (outcome.kind !== 'answered') return outcome;
  const { rows, ...end } = outcome.value;
  const lines = sortLines(rows, order).slice(0, limit);
  const reason = cutReason(end, { shardId: call.shard.id, what: signal.what, isNewestFirst });
  const reasons = [searchReason(query, call.shard.id), reason].filter(each => each !== undefined);
  const inexact = reasons.length === 0 ? undefined : reasons.join('; ');
  return { kind: 'answered', value: [{ lines, inexact }] };
}

/** The tael-server looks for words in spans, we in log bodies, as far as it shows them. */
function searchReason({ name, request }: NewestQuery, shardId: string): string | undefined {
  if (name === 'spans' && request.text !== undefined) return ownSearchReason(shardId);
  if (name !== 'logs' || (request.text ?? request.bodyContains) === undefined) return undefined;
  return largeBodiesReason(shardId);
}
