import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type Component, once } from '../../shared/lifecycle.ts';
import type { Turns } from '../../shared/turns.ts';
import type { Writer } from '../store/writer.ts';
import type { Reader } from './reader.ts';

interface WarmUpDeps {
  readonly reader: Pick<Reader, 'learn' | 'warmUp' | 'store'>;
  readonly turns: Turns;
  readonly writer: Pick<Writer, 'exclusively'>;
  /** Why nothing can be stored now; `undefined` when it can. */
  readonly refusal: () => Promise<string | undefined>;
  readonly logger: Logger;
  /** How often is looked whether where traces are has to be learned again. */
  readonly learnEveryMs?: number;
}

interface WarmUp extends Component {
  /** Settled when traces were learned and services counted, or could not be. */
  readonly done: Promise<void>;
}

const LEARN_EVERY_MS = 5_000;

/**
 * Learns where traces are and counts what services have, in turns like any read, while the shard answers already: the
 * first count after a start goes through all that came since the last stop, and nobody should have to wait for it.
 * Stores at the end what the next start goes on from.
 */
export function startWarmUp(deps: WarmUpDeps): WarmUp {
  const { reader, writer, refusal, logger } = deps;
  const stopping = new AbortController();
  const { signal } = stopping;
  const done = warmUp(deps, signal);
  const learning = done.then(() => keepLearning(deps, signal));
  return {
    done,
    stop: once(async () => {
      stopping.abort();
      await done;
      await learning;
      try {
        if ((await refusal()) !== undefined) return;
        await writer.exclusively(async connection => ({ result: await reader.store(connection) }));
      } catch (error) {
        logger.warn({ err: error }, 'what the services have is counted anew after the next start');
      }
    }),
  };
}

async function warmUp(deps: WarmUpDeps, signal: AbortSignal): Promise<void> {
  const { reader } = deps;
  // Both at once: reads that wait for what is counted wait for it from the start.
  await Promise.all([
    logged(deps, signal, {
      work: reader.warmUp,
      done: 'counted what the services have',
      failed: 'what the services have is counted when it is asked for',
    }),
    logged(deps, signal, {
      work: reader.learn,
      done: 'learned where traces are',
      failed: 'where traces are is asked of the database',
    }),
  ]);
}

interface Work {
  readonly work: (signal: AbortSignal) => Promise<void>;
  /** What is logged. */
  readonly done: string;
  readonly failed: string;
}

async function logged({ turns, logger }: WarmUpDeps, signal: AbortSignal, work: Work): Promise<void> {
  const startMs = performance.now();
  try {
    await turns.run(() => work.work(signal), signal);
    logger.info({ tookMs: Math.round(performance.now() - startMs) }, work.done);
  } catch (error) {
    if (!signal.aborted) logger.warn({ err: error }, work.failed);
  }
}

/** Of a database that was opened again nothing is known. */
async function keepLearning(
  { reader, turns, logger, learnEveryMs = LEARN_EVERY_MS }: WarmUpDeps,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await sleep(learnEveryMs, undefined, { signal, ref: false });
      await turns.run(() => reader.learn(signal), signal);
    } catch (error) {
      if (!signal.aborted) logger.debug({ err: error }, 'where traces are could not be learned');
    }
  }
}
