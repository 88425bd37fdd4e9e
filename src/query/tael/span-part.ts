import type { ShardQuery } from '../reads/read.ts';
import { durationBuckets, durationValues } from './duration-states.ts';
import type { SpanFacts } from './facts.ts';
import type { TaelCall } from './fetch-rows.ts';
import { pageOf } from './keyed-lines.ts';
import { fetchOwnServices, fetchOwnTotals } from './own-figures.ts';
import { ownFiguresReason } from './reasons.ts';
import { type SlotOf, serviceStates, spanTotals, traceIds } from './span-states.ts';
import { stateLines } from './states.ts';
import type { Flaw } from './tables.ts';
import { partOf, type TaelPart } from './tael-part.ts';

/** Reads that are states of spans in a window. */
export type SpanStateQuery = Extract<
  ShardQuery,
  { readonly name: 'services' | 'spanTotals' | 'traceIds' | 'durationBuckets' | 'durationValues' }
>;

export interface SpanPartOptions {
  readonly spans: readonly SpanFacts[];
  readonly flaw: Flaw | undefined;
  readonly slotOf: SlotOf;
}

/** From the spans; where there are too many, counts come from the tael-server itself. */
export async function spanPart(
  call: TaelCall,
  query: SpanStateQuery,
  { spans, flaw, slotOf }: SpanPartOptions,
): Promise<TaelPart> {
  const isCut = flaw?.kind === 'cut';
  switch (query.name) {
    case 'services': {
      const own = isCut ? await fetchOwnServices(call) : undefined;
      if (own === undefined) return partOf(serviceStates(spans), flaw);
      return { lines: stateLines(own), inexact: ownFiguresReason(call.shard.id, 'of its hot tier') };
    }
    case 'spanTotals': {
      const { fromNs, service } = query.request;
      const isAsked = isCut && fromNs !== undefined;
      const own = isAsked ? await fetchOwnTotals(call, { fromNs, service }) : undefined;
      if (own === undefined) return partOf(spanTotals(spans), flaw);
      return { lines: stateLines(own), inexact: ownFiguresReason(call.shard.id, 'by its own clock') };
    }
    case 'traceIds': {
      const { lines, inexact } = partOf(traceIds(spans, query.request, slotOf), flaw);
      const { startAt, limit } = query.request;
      return { lines: pageOf(lines, { startAt, limit, order: ['ascending', 'ascending'] }), inexact };
    }
    case 'durationBuckets':
      return partOf(durationBuckets(spans, query.request), flaw);
    case 'durationValues':
      return partOf(durationValues(spans, query.request.ranges), flaw);
  }
}
