import { SLOT_COUNT } from '../../shared/topology/hash.ts';
import { allOf, type Parameters, type TimeWindow, timeWindow, when } from './where.ts';

interface CountedSpans extends TimeWindow {
  readonly service?: string | undefined;
}

/** The condition on `store.spans` for what aggregates count: every stored row, but none that was replaced by then. */
export function countedSpans(
  request: CountedSpans,
  asOf: bigint,
  parameters: Parameters,
  more: readonly (string | undefined)[] = [],
): string {
  return allOf([
    `commit_no <= ${asOf}`,
    `replaced_at IS NULL OR replaced_at > ${asOf}`,
    timeWindow('start_ns', request, parameters),
    when(request.service, service => `service = ${parameters.text(service)}`),
    ...more,
  ]);
}

/** Ranges of slots, both ends included. */
export type SlotRanges = readonly (readonly [number, number])[];

/** One look at a bit for each row, however many ranges there are: slots that moved lie scattered. */
export function inSlots(ranges: SlotRanges): string {
  if (ranges.length === 0) return 'false';
  const bits = new Array<string>(SLOT_COUNT).fill('0');
  for (const [from, to] of ranges) bits.fill('1', from, to + 1);
  return `get_bit('${bits.join('')}'::BIT, slot) = 1`;
}
