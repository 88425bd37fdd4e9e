import type { ShardQuery } from '../reads/read.ts';
import type { FactsFilter } from './facts-memory.ts';
import type { ListedRead } from './signal.ts';

export interface FactsNeeded extends FactsFilter {
  readonly signal: ListedRead;
}

/** One for each signal and service: of the longest window of all reads, so that they see the same. */
export function factsNeeded(reads: readonly ShardQuery[]): FactsNeeded[] {
  const needed = new Map<string, FactsNeeded>();
  for (const query of reads) {
    const signal = signalOf(query);
    if (signal === undefined) continue;
    const { fromNs, service } = query.request as FactsFilter;
    const name = JSON.stringify([signal, service]);
    const known = needed.get(name);
    needed.set(name, {
      signal,
      service,
      fromNs: known === undefined ? fromNs : earlier(known.fromNs, fromNs),
    });
  }
  return [...needed.values()];
}

const OF_SPANS: readonly string[] = [
  'services',
  'spanTotals',
  'traceIds',
  'durationBuckets',
  'durationValues',
];

/** `spanSlots` needs none: the slots are those of whatever spans there are. */
function signalOf(query: ShardQuery): ListedRead | undefined {
  if (query.name === 'groupCounts') return query.request.of;
  return OF_SPANS.includes(query.name) ? 'spans' : undefined;
}

/** Absent is before all times. */
function earlier(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return undefined;
  return BigInt(a) <= BigInt(b) ? a : b;
}
