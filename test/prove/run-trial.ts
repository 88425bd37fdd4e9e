import { setTimeout as sleep } from 'node:timers/promises';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { createDice } from '../equivalence/dice.ts';
import { createLedger } from './ledger.ts';
import { type Counts, judge, NO_COUNTS } from './oracle.ts';
import { createRecordSource } from './records.ts';
import type { Scenario, Trial } from './scenario.ts';
import type { Site } from './site.ts';
import { createTimeline } from './timeline.ts';
import { startTraffic, type Traffic } from './traffic.ts';
import { type Answers, startWatch } from './watch.ts';

export interface TrialOptions extends Pick<Scenario, 'name' | 'traffic'> {
  readonly run: (trial: Trial) => Promise<void>;
  readonly site: Site;
  readonly seed: number;
  /** Begins the names of everything that is sent; no two trials of a run have the same. */
  readonly trial: string;
  readonly onNote: (text: string) => void;
  /** Ends the trial as soon as possible, which then rejects. */
  readonly signal: AbortSignal;
}

export interface TrialResult {
  readonly counts: Counts;
  /** How many answers were read meanwhile. */
  readonly answers: Answers;
  readonly findings: readonly string[];
  readonly timeline: readonly string[];
}

const FLOW_RECORDS = 60;
/** A busy machine does not reach them. */
const LIMITS_MS = { flow: 120_000, until: 120_000, scenario: 900_000, stall: 90_000, poll: 30 };

/** Sends, makes trouble, heals, waits until everything is delivered, and judges. */
export async function runTrial(options: TrialOptions): Promise<TrialResult> {
  const { signal } = options;
  const dice = createDice(options.seed);
  const fork = () => createDice(dice.below(2 ** 31));
  const ledger = createLedger();
  const timeline = createTimeline(() => performance.now(), options.onNote);
  const source = createRecordSource({ dice: fork(), trial: options.trial });
  const findings: string[] = [];
  const { note } = timeline;
  let { site } = options;
  let versions = 1;
  const crashesBefore = site.crashes.length;

  async function until(isSo: () => Promise<boolean> | boolean, what: string, timeoutMs = LIMITS_MS.until) {
    const deadlineMs = performance.now() + timeoutMs;
    while (!(await isSo())) {
      if (performance.now() > deadlineMs) {
        findings.push(`not within ${timeoutMs} ms: ${what}`);
        return false;
      }
      await sleep(LIMITS_MS.poll, undefined, { signal });
    }
    return true;
  }

  const trial: Trial = {
    get site() {
      return site;
    },
    dice: fork(),
    ledger,
    source,
    note,
    check(isSo, otherwise) {
      if (!isSo) findings.push(otherwise);
    },
    async flow(records = FLOW_RECORDS) {
      const wanted = ledger.acknowledged() + records;
      await until(
        () => ledger.acknowledged() >= wanted,
        `${records} more records acknowledged`,
        LIMITS_MS.flow,
      );
    },
    async pause(minMs, maxMs) {
      await sleep(minMs + trial.dice.below(maxMs - minMs + 1), undefined, { signal });
    },
    until,
    answers: () => watch.soFar(),
    refusals: () => [...(traffic?.refusals() ?? [])].map(([reason, count]) => ({ reason, count })),
    topologyVersions(count) {
      versions = count;
    },
    goOnWith(next) {
      site = next;
    },
  };

  /** Until the shards have all that is queued; however long it takes, as long as it gets less. */
  async function drained(queue: BatchQueue): Promise<boolean> {
    let least = Number.POSITIVE_INFINITY;
    let leastAtMs = performance.now();
    for (;;) {
      const stats = await Promise.all(
        (await queue.shards()).map(async shard => ({ shard, ...(await queue.stats(shard)) })),
      );
      const batches = stats.reduce((sum, lane) => sum + lane.batches, 0);
      if (batches === 0) return true;
      if (batches < least) {
        least = batches;
        leastAtMs = performance.now();
      } else if (performance.now() - leastAtMs > LIMITS_MS.stall) {
        const where = stats.map(lane => `${lane.shard}: ${lane.batches}`).join(', ');
        findings.push(`still queued after ${LIMITS_MS.stall} ms in which it got no less: ${where}`);
        return false;
      }
      await sleep(LIMITS_MS.poll, undefined, { signal });
    }
  }

  let traffic: Traffic | undefined;
  const watch = startWatch({ apis: () => site.apis, services: source.services, dice: fork() });
  let counts = NO_COUNTS;
  try {
    if (options.traffic !== false) {
      const { doors } = site;
      traffic = startTraffic({ doors, source, ledger, dice: fork(), ...options.traffic });
      await trial.flow();
    }
    await atMost(LIMITS_MS.scenario, options.run(trial), options.name);
    // Senders know the first site only.
    if (traffic !== undefined && site === options.site) await trial.flow();
    await traffic?.stop();
    note('healing');
    await site.heal();
    if (await site.lookAtQueue(drained)) {
      note('judging');
      await watch.stop();
      const verdict = await judge({ site, ledger, versions });
      counts = verdict.counts;
      findings.push(...verdict.findings);
    }
  } catch (error) {
    if (signal.aborted) throw error;
    findings.push(...brokenOff(error).findings);
  } finally {
    await traffic?.stop();
    findings.push(...(await watch.stop()).unmarked);
  }
  findings.push(...site.crashes.slice(crashesBefore));
  if (counts.acknowledged === 0) findings.push('nothing was acknowledged, so nothing was shown');
  for (const [reason, count] of traffic?.refusals() ?? []) note(`senders were told ${count} × ${reason}`);
  return { counts, answers: watch.soFar(), findings, timeline: timeline.lines() };
}

/** What is known when nothing came to its end. */
export function brokenOff(error: unknown): TrialResult {
  const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    counts: NO_COUNTS,
    answers: { whole: 0, partial: 0 },
    findings: [`it broke off: ${why}`],
    timeline: [],
  };
}

async function atMost<T>(limitMs: number, work: Promise<T>, what: string): Promise<T> {
  const over = new AbortController();
  const limit = sleep(limitMs, undefined, { signal: over.signal }).then(() => {
    throw new Error(`${what} took longer than ${limitMs} ms`);
  });
  limit.catch(() => undefined);
  return await Promise.race([work, limit]).finally(() => over.abort());
}
