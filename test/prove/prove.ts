import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { cannotControlRedis } from '../support/redis.ts';
import { brokenOff, runTrial, type TrialResult } from './run-trial.ts';
import type { Safeguard } from './safeguards.ts';
import type { Arranged, Scenario } from './scenario.ts';
import { type QueueKind, type Site, type SiteOptions, startSite } from './site.ts';

export interface ProveOptions {
  readonly seed: number;
  readonly scenarios: readonly Scenario[];
  readonly queues: readonly QueueKind[];
  /** What is switched off in every process of otelfan. */
  readonly without?: Safeguard;
  /** Told what happens. */
  readonly onNote: (run: Run, text: string) => void;
  readonly onResult: (result: RunResult) => void;
  /** Asked before each scenario; what was not begun by then is left out. */
  readonly isOver?: () => boolean;
  readonly signal: AbortSignal;
}

/** One scenario on one queue. */
interface Run {
  readonly scenario: Scenario;
  readonly queue: QueueKind;
}

export interface RunResult extends Run {
  readonly seconds: number;
  readonly outcome:
    | ({ readonly kind: 'ran' } & TrialResult)
    | { readonly kind: 'unable'; readonly reason: string };
}

/** Runs every scenario on every queue that it is for, one after the other. Everything follows from the seed. */
export async function prove(options: ProveOptions): Promise<void> {
  for (const queue of options.queues) {
    const shared = createSharedSite(alteredBy(options.without, { queue }));
    try {
      for (const scenario of options.scenarios.filter(({ queues }) => queues.includes(queue))) {
        options.signal.throwIfAborted();
        if (options.isOver?.()) return;
        options.onResult(await runOne({ scenario, queue }, shared, options));
      }
    } finally {
      await shared.discard();
    }
  }
}

async function runOne(run: Run, shared: SharedSite, options: ProveOptions): Promise<RunResult> {
  const { scenario, queue } = run;
  const startMs = performance.now();
  const seconds = () => (performance.now() - startMs) / 1000;
  const cleanups: (() => unknown)[] = [];
  const cleanup = (work: () => unknown) => void cleanups.push(work);
  const onNote = (text: string) => options.onNote(run, text);

  async function startOwn(own: Arranged['site']): Promise<Site> {
    const site = await startSite(alteredBy(options.without, { ...own, queue }));
    cleanup(() => site.stop());
    return site;
  }

  const unable = (reason: string): RunResult => ({
    ...run,
    seconds: seconds(),
    outcome: { kind: 'unable', reason },
  });

  try {
    if (queue === 'redis' && cannotControlRedis !== undefined) return unable(cannotControlRedis);
    onNote('starting');
    const arranged = 'arrange' in scenario ? await scenario.arrange({ cleanup }) : undefined;
    if (typeof arranged === 'string') return unable(arranged);
    const site = arranged === undefined ? await shared.site() : await startOwn(arranged.site);
    const seed = seedOf(`${options.seed} ${queue} ${scenario.name}`);
    const trial = `p${seed.toString(36)}`;
    const result = await runTrial({
      ...scenario,
      run: 'run' in scenario ? scenario.run : (arranged as Arranged).run,
      site,
      seed,
      trial,
      onNote,
      signal: options.signal,
    });
    // What broke one trial would break the next.
    if (result.findings.length > 0) await shared.discard();
    return { ...run, seconds: seconds(), outcome: { kind: 'ran', ...result } };
  } catch (error) {
    if (options.signal.aborted) throw error;
    await shared.discard();
    return { ...run, seconds: seconds(), outcome: { kind: 'ran', ...brokenOff(error) } };
  } finally {
    for (const work of cleanups.toReversed()) await work();
  }
}

interface SharedSite {
  site(): Promise<Site>;
  discard(): Promise<void>;
}

/** Started for the first who wants it, and again after it was discarded. */
function createSharedSite(options: SiteOptions): SharedSite {
  let current: Site | undefined;
  return {
    async site() {
      current ??= await startSite(options);
      return current;
    },
    async discard() {
      const discarded = current;
      current = undefined;
      await discarded?.stop();
    },
  };
}

const WITHOUT = join(import.meta.dirname, 'preload', 'without-safeguard.ts');

function alteredBy(without: Safeguard | undefined, options: SiteOptions): SiteOptions {
  if (without === undefined) return options;
  const { preload = [], env } = options;
  return { ...options, preload: [...preload, WITHOUT], env: { ...env, PROVE_WITHOUT: without.name } };
}

function seedOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE() >>> 1;
}
