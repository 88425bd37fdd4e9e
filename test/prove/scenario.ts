import type { Dice } from '../equivalence/dice.ts';
import type { Ledger } from './ledger.ts';
import type { RecordSource } from './records.ts';
import { QUEUE_KINDS, type QueueKind, type Site, type SiteOptions } from './site.ts';
import type { TrafficOptions } from './traffic.ts';
import type { Answers } from './watch.ts';

export const BOTH_QUEUES: readonly QueueKind[] = QUEUE_KINDS;

/**
 * One kind of trouble. While it runs, senders send and readers read; afterwards everything is healed, what is queued is
 * delivered, and the oracle looks at all of it. A scenario makes the trouble, checks that there was some, and what else
 * it knows better than the oracle.
 */
export type Scenario = {
  /** What happens, as a line of the table. */
  readonly name: string;
  readonly queues: readonly QueueKind[];
  /** How the senders behave; `false` when the scenario sends by itself. */
  readonly traffic?: TrafficOptions | false;
} & (SharingScenario | OwnScenario);

/** Runs on a site that was there before it and is there after it. */
interface SharingScenario {
  readonly run: Run;
}

/** Needs a site of its own. */
interface OwnScenario {
  /** Resolves to a sentence when this machine cannot do it. */
  readonly arrange: (arranging: Arranging) => Promise<Arranged | string>;
}

type Run = (trial: Trial) => Promise<void>;

interface Arranging {
  /** To be done when the site is gone, the last one first. */
  cleanup(work: () => unknown): void;
}

export interface Arranged {
  readonly site: Omit<SiteOptions, 'queue'>;
  readonly run: Run;
}

/** What a scenario works with. */
export interface Trial {
  readonly site: Site;
  readonly dice: Dice;
  readonly ledger: Ledger;
  readonly source: RecordSource;
  /** Into the timeline that a failure shows. */
  note(text: string): void;
  /** A finding when it is not so. */
  check(isSo: boolean, otherwise: string): void;
  /** Waits until the senders had so many more records acknowledged. */
  flow(records?: number): Promise<void>;
  /** Waits for a while that chance chooses. */
  pause(minMs: number, maxMs: number): Promise<void>;
  /** Waits until it is so; a finding, and false, when it is not in time. */
  until(isSo: () => Promise<boolean> | boolean, what: string, timeoutMs?: number): Promise<boolean>;
  /** What readers were answered so far. */
  answers(): Answers;
  /** What senders were told that was not OK so far. */
  refusals(): readonly { readonly reason: string; readonly count: number }[];
  /** Exports were cut by so many versions of the topology. */
  topologyVersions(count: number): void;
  /** What was sent has to be found on another site from now on. */
  goOnWith(site: Site): void;
}
