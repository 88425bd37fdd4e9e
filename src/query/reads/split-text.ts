import { MOST_TRACES_WITH_TEXT, type ShardReadRequest } from '../../shared/read/contract.ts';
import { slotsOnSeveral } from '../merge/shared-traces.ts';
import { tracesTogether } from '../merge/traces-together.ts';
import type { Prepared } from './read.ts';
import { ask, type Rounds } from './rounds.ts';

type SpanRequest = ShardReadRequest<'spans'>;

/**
 * Tells the shards of the traces that hold a text only together, or whose text another shard holds: each knows what it
 * has itself. Where no slot has traces on several shards it takes one small round.
 */
export function* completeText(request: SpanRequest, text: string): Rounds<Prepared<'spans'>> {
  const slots = slotsOnSeveral(yield* ask('spanSlots', {}));
  if (slots.length === 0) return { kind: 'request', request };
  const terms = yield* ask('traceTerms', { text, slots });
  let traces = first(MOST_TRACES_WITH_TEXT + 1, tracesTogether(terms));
  if (traces.length > MOST_TRACES_WITH_TEXT) {
    // Most will lie on one shard, which needs not be told.
    const { fromNs, service } = request;
    const shown = yield* ask('traceIds', { fromNs, service, slots, limit: MOST_TRACES });
    traces = first(MOST_TRACES_WITH_TEXT + 1, tracesTogether(terms, shown));
  }
  if (traces.length > MOST_TRACES_WITH_TEXT) return { kind: 'refused', status: 413, error: TOO_MANY };
  return { kind: 'request', request: { ...request, tracesWithText: traces } };
}

/** All: a bound of the shard's own ends an answer before, and then the rest is asked for. */
const MOST_TRACES = 4_294_967_295;

const TOO_MANY =
  `more than ${MOST_TRACES_WITH_TEXT} traces that lie on several shards hold the text, ` +
  'as many as a shard can be told of: narrow the window or add words';

function first<T>(count: number, values: Iterable<T>): T[] {
  const taken: T[] = [];
  for (const value of values) {
    if (taken.push(value) === count) break;
  }
  return taken;
}
