import type { ShardQuery } from '../reads/read.ts';
import type { WholeOutcome } from '../shard-call.ts';
import { logFacts, metricFacts, spanFacts } from './facts.ts';
import { createFactsMemory } from './facts-memory.ts';
import { factsNeeded } from './facts-needed.ts';
import type { TaelCall } from './fetch-rows.ts';
import { groupStates } from './group-states.ts';
import { LOGS } from './logs.ts';
import { METRICS } from './metrics.ts';
import { createRowMemory, isRowQuery, type RowQuery } from './row-memory.ts';
import { type SpanStateQuery, spanPart } from './span-part.ts';
import { type SlotOf, spanSlots } from './span-states.ts';
import { SPANS } from './spans.ts';
import { partOf, type TaelPart } from './tael-part.ts';

/** What one read knows of one tael-server. */
export interface TaelSession {
  /** Answers as a shard of our own would. What was fetched for one round is what later ones see, too. */
  answer(call: TaelCall, reads: readonly ShardQuery[]): Promise<WholeOutcome<readonly TaelPart[]>>;
}

export interface TaelSessionOptions {
  /** `query.taelRowCap` */
  readonly rowCap: number;
  readonly slotOf: SlotOf;
}

type GroupQuery = Extract<ShardQuery, { readonly name: 'groupCounts' }>;
type StateQuery =
  | GroupQuery
  | SpanStateQuery
  | Extract<ShardQuery, { readonly name: 'spanSlots' | 'traceTerms' }>;

export function createTaelSession({ slotOf, ...options }: TaelSessionOptions): TaelSession {
  const facts = {
    spans: createFactsMemory({ ...options, signal: SPANS, make: spanFacts }),
    logs: createFactsMemory({ ...options, signal: LOGS, make: logFacts }),
    metrics: createFactsMemory({ ...options, signal: METRICS, make: metricFacts }),
  };
  const rows = createRowMemory(options);

  async function answerOf(call: TaelCall, query: RowQuery | StateQuery): Promise<TaelPart> {
    if (isRowQuery(query)) {
      const { rows: lines, flaw } = rows.page(query);
      return { lines, inexact: flaw?.reason };
    }
    switch (query.name) {
      case 'spanSlots':
        return partOf(spanSlots(facts.spans.all(), slotOf));
      case 'traceTerms':
        // Its own search says which traces hold a text.
        return partOf([]);
      case 'groupCounts':
        return groupsOf(query.request);
      case 'services':
      case 'spanTotals':
      case 'traceIds':
      case 'durationBuckets':
      case 'durationValues': {
        const { facts: spans, flaw } = facts.spans.within(query.request);
        return spanPart(call, query, { spans, flaw, slotOf });
      }
    }
  }

  function groupsOf(request: GroupQuery['request']): TaelPart {
    switch (request.of) {
      case 'spans': {
        const { facts: spans, flaw } = facts.spans.within(request);
        const counted = spans.filter(
          ({ status }) => request.status === undefined || status === request.status,
        );
        return partOf(
          groupStates(counted, span => request.by.map(column => span[column]), request),
          flaw,
        );
      }
      case 'logs': {
        const { facts: logs, flaw } = facts.logs.within(request);
        return partOf(
          groupStates(logs, log => request.by.map(column => log[column]), request),
          flaw,
        );
      }
      case 'metrics': {
        const { facts: points, flaw } = facts.metrics.within(request);
        return partOf(
          groupStates(points, point => request.by.map(column => point[column]), request),
          flaw,
        );
      }
    }
  }

  return {
    async answer(call, reads) {
      const known = reads.filter(query => query.name !== 'holdings');
      if (known.length < reads.length)
        return { kind: 'failed', reason: 'a tael-server does not say what it holds' };
      const loads = [
        ...factsNeeded(reads).map(({ signal, ...filter }) => facts[signal].load(call, filter)),
        ...reads.filter(isRowQuery).map(query => rows.load(call, query)),
      ];
      const lost = (await Promise.all(loads)).find(outcome => outcome.kind !== 'answered');
      if (lost !== undefined) return lost;
      const answers = known.map(query => answerOf(call, query));
      return { kind: 'answered', value: await Promise.all(answers) };
    },
  };
}
