import type { ReadFigures } from '../read-figures.ts';
import { createGatherer, type Gatherer } from './gatherer.ts';
import type { Page } from './page.ts';
import type { ShardRows } from './shard-rows.ts';

export interface Held {
  readonly state: 'done' | 'full';
  readonly gathered: Gatherer;
}

export interface Holding {
  readonly page: Page;
  readonly figures?: ReadFigures | undefined;
  /** Whether one missing shard makes the answer useless. */
  readonly isStrict: boolean;
  readonly maxHeldBytes: number;
  /** How long all shards together may be waited for, on the clock of `performance.now()`. */
  readonly untilMs: number;
}

/**
 * Begins again without a shard that fails: rows of others may have been left out for its rows. While one is slow the
 * others are read as if it had failed, so that when it does there is no need to ask them with no time left.
 */
export async function hold(all: readonly ShardRows[], options: Holding): Promise<Held> {
  const { page, figures, isStrict, maxHeldBytes, untilMs } = options;
  const reading = new Map<ShardRows, Promise<void>>();

  function read(source: ShardRows, rows: number): Promise<void> {
    const leftMs = untilMs - performance.now();
    const come = source.read({ rows, leftMs }).then(() => void reading.delete(source));
    reading.set(source, come);
    return come;
  }

  /** False when rows that were gathered do not count any more, or those of some shard are not waited for. */
  async function readOn(gathered: Gatherer, sources: readonly ShardRows[]): Promise<boolean> {
    const waiting = gathered.waitingFor();
    const come = Promise.all(waiting.map(source => read(source, gathered.missing())));
    // Without one of them a strict answer is of no use.
    if (isStrict) await come;
    else await withinMs(come, (untilMs - performance.now()) * PATIENT_SHARE);
    return !sources.some(isLost) && !waiting.some(source => reading.has(source));
  }

  async function gather(sources: readonly ShardRows[]): Promise<Held | undefined> {
    const gathered = createGatherer(page, sources);
    for (;;) {
      const state = gathered.fill(maxHeldBytes);
      if (sources.some(isLost)) return undefined;
      if (state !== 'starved') return { state, gathered };
      const isGood = await whileAsking(figures, () => readOn(gathered, sources));
      if (!isGood) return undefined;
    }
  }

  for (;;) {
    const sound = all.filter(source => !isLost(source));
    const sources = sound.filter(source => !reading.has(source));
    for (const source of sources) source.rewind();
    const held = await gather(sources);
    if (held === undefined) continue;
    if (sources.length === sound.length) return held;
    if (reading.size > 0) await whileAsking(figures, () => Promise.race(reading.values()));
  }
}

/** Of the time that is left, for rows that others may have to be asked without. */
const PATIENT_SHARE = 0.5;

/** Waits for the work, but not longer than that. */
async function withinMs(work: Promise<unknown>, limitMs: number): Promise<void> {
  let late: NodeJS.Timeout | undefined;
  const limit = new Promise<void>(resolve => {
    late = setTimeout(resolve, limitMs);
  });
  await Promise.race([work, limit]);
  clearTimeout(late);
}

export function whileAsking<T>(figures: ReadFigures | undefined, ask: () => Promise<T>): Promise<T> {
  return figures === undefined ? ask() : figures.whileAsking(ask);
}

export function isLost(source: ShardRows): boolean {
  const kind = source.end()?.kind;
  return kind === 'failed' || kind === 'refused' || kind === 'gone' || kind === 'abandoned';
}
