import { setTimeout as sleep } from 'node:timers/promises';
import { SIGNALS, type Signal } from '../../src/shared/otlp/signal.ts';
import type { Dice } from '../equivalence/dice.ts';
import { ROWS } from './reads.ts';
import { idsInRows } from './records.ts';

interface WatchOptions {
  /** Base URLs of the query proxies there are. */
  readonly apis: () => readonly string[];
  readonly services: readonly string[];
  readonly dice: Dice;
}

export interface Watch {
  soFar(): Answers;
  /** Resolves to what was found. */
  stop(): Promise<Watched>;
}

/** Answers that said that no shard was missing, and that some were. */
export interface Answers {
  readonly whole: number;
  readonly partial: number;
}

interface Watched extends Answers {
  /** Answers without data that were there before, and that said nothing of it; in words. */
  readonly unmarked: readonly string[];
}

const PAUSE_MS = 60;
const TIMEOUT_MS = 8_000;
const LIMIT = 100_000;

/**
 * Reads all the time. What an answer once had is committed on its shard: every later answer has it, too, or says which
 * shards are missing.
 */
export function startWatch({ apis, services, dice }: WatchOptions): Watch {
  const seen = new Map<string, Set<string>>();
  const unmarked: string[] = [];
  let whole = 0;
  let partial = 0;
  const stopping = new AbortController();

  async function look(signal: Signal, service: string): Promise<void> {
    const path = `${ROWS[signal].path}?service=${service}&limit=${LIMIT}`;
    const known = seen.get(`${signal} ${service}`) ?? new Set();
    seen.set(`${signal} ${service}`, known);
    // What another look adds meanwhile may be newer than this answer.
    const before = [...known];
    const response = await fetch(`${dice.pick(apis())}/api/v1/${path}`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    // Refused altogether, which nobody takes for an answer.
    if (response.status !== 200) return;
    const ids = new Set(idsInRows(text));
    for (const id of ids) known.add(id);
    const isMarked = response.headers.get('otelfan-partial') === 'true';
    if (isMarked !== text.includes('"partial":true'))
      unmarked.push(`${path}: header and body disagree: ${text.slice(-300)}`);
    if (isMarked) partial += 1;
    else whole += 1;
    const missing = before.filter(id => !ids.has(id));
    if (!isMarked && missing.length > 0) {
      unmarked.push(
        `${path}: ${missing.length} of ${before.length} records are missing, ${missing[0]} for one: ${text.slice(-200)}`,
      );
    }
  }

  async function lookForever(): Promise<void> {
    while (!stopping.signal.aborted) {
      // A proxy that is down answers nobody.
      await look(dice.pick(SIGNALS), dice.pick(services)).catch(() => undefined);
      await sleep(PAUSE_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  const running = lookForever();
  return {
    soFar: () => ({ whole, partial }),
    async stop() {
      stopping.abort();
      await running;
      return { whole, partial, unmarked };
    },
  };
}
