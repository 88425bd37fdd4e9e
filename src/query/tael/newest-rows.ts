import type { WholeOutcome } from '../shard-call.ts';
import type { FoundRows } from './found-rows.ts';

interface Timed {
  readonly timeNs: bigint;
}

/** What is asked of the shard: rows since a time, and no more than so many. */
export interface Attempt {
  readonly fromNs: string | undefined;
  readonly most: number;
}

export interface NewestOptions<R extends Timed> {
  readonly find: (attempt: Attempt) => Promise<WholeOutcome<FoundRows<R>>>;
  readonly fromNs: string | undefined;
  readonly wanted: number;
  /** Most rows that are gone through at once. */
  readonly most: number;
}

const GROWTH = 4;

/**
 * At least the newest rows that are wanted, of those that come newest first; all of them or marked as cut when there are
 * not so many. A tael-server can neither begin in the middle nor filter by all that we do, so it is asked for more until
 * enough of what it gave is wanted. Rows of the last time among them may not be all of that time.
 */
export async function newestOfSorted<R extends Timed>({
  find,
  fromNs,
  wanted,
  most,
}: NewestOptions<R>): Promise<WholeOutcome<FoundRows<R>>> {
  for (let tried = Math.min(wanted + 1, most); ; tried = Math.min(tried * GROWTH, most)) {
    const outcome = await find({ fromNs, most: tried });
    if (outcome.kind !== 'answered' || outcome.value.cutBy === undefined) return outcome;
    const { rows, lastNs, cutBy } = outcome.value;
    const sure = rows.filter(({ timeNs }) => timeNs > lastNs);
    if (sure.length >= wanted) {
      return { kind: 'answered', value: { ...outcome.value, rows: sure, cutBy: undefined } };
    }
    if (tried === most || cutBy === 'bytes') return outcome;
  }
}

/** A minute, a quarter of an hour, four hours, three days. */
const WINDOWS_NS = [60n, 960n, 15_360n, 245_760n].map(seconds => seconds * 1_000_000_000n);

/**
 * The same of rows that come in an order that says nothing about their time: all of a short window, and of longer ones
 * until there are enough.
 * @param untilNs - no row after it is wanted
 */
export async function newestOfAny<R extends Timed>(
  { find, fromNs, wanted, most }: NewestOptions<R>,
  untilNs: bigint,
): Promise<WholeOutcome<FoundRows<R>>> {
  const firstNs = BigInt(fromNs ?? 0);
  for (const windowNs of WINDOWS_NS) {
    const startNs = untilNs - windowNs;
    if (startNs <= firstNs) break;
    const outcome = await find({ fromNs: String(startNs), most });
    const isEnough = outcome.kind === 'answered' && outcome.value.rows.length >= wanted;
    if (outcome.kind !== 'answered' || isEnough || outcome.value.cutBy !== undefined) return outcome;
  }
  return find({ fromNs, most });
}
