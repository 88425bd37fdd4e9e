import type { Clock } from '../../src/shared/time.ts';
import type { Dice } from '../equivalence/dice.ts';
import type { Coverage } from './coverage.ts';
import { mutate } from './mutate.ts';
import { shrink } from './shrink.ts';
import type { FuzzTarget, OpenTarget } from './target.ts';
import { type Finding, tryInput } from './try-input.ts';

export interface FuzzOptions {
  readonly target: FuzzTarget;
  /** Inputs that broke something once. They are tried first. */
  readonly known: readonly Buffer[];
  readonly dice: Dice;
  readonly coverage: Coverage;
  readonly clock: Clock;
  readonly durationMs: number;
  readonly onProgress?: (progress: FuzzProgress) => void;
}

interface FuzzProgress {
  readonly inputs: number;
  /** Inputs that are kept because they reached something new, those it began with included. */
  readonly corpus: number;
  /** Size of the code that was reached, in characters. */
  readonly reachedChars: number;
}

export interface FuzzResult extends FuzzProgress {
  /** The first input that broke something, made smaller. */
  readonly finding?: Finding;
}

/** A look at the coverage costs as much as hundreds of inputs, so many share one. */
const BATCH = 500;
const BATCH_MS = 250;

/**
 * Tries mutations of what it has, and keeps what reached code that nothing reached before; ends at the first input that
 * breaks something.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const open = await options.target.open();
  try {
    return await search(open, options);
  } finally {
    await open.close();
  }
}

async function search(open: OpenTarget, options: FuzzOptions): Promise<FuzzResult> {
  const { target, known, dice, coverage, clock, durationMs, onProgress } = options;
  const corpus = [...target.seeds];
  const endMs = clock.now() + durationMs;
  let inputs = 0;
  const progress = () => ({ inputs, corpus: corpus.length, reachedChars: coverage.learnedChars });

  /** Runs them again, halves of them, and so on, until it is known which ones reach something new. */
  async function keepNew(batch: readonly Buffer[]): Promise<void> {
    for (const input of batch) await tryInput(open, input);
    const [input] = batch;
    if (input === undefined || (batch.length === 1 ? !coverage.learn() : !coverage.hasNews())) return;
    if (batch.length === 1) return void corpus.push(input);
    const half = batch.length >> 1;
    await keepNew(batch.slice(0, half));
    await keepNew(batch.slice(half));
  }

  for (const input of [...known, ...target.seeds]) {
    inputs++;
    const finding = await tryInput(open, input);
    if (finding !== undefined) return { ...progress(), finding };
  }
  coverage.learn();

  while (clock.now() < endMs) {
    const batch: Buffer[] = [];
    const batchEndMs = Math.min(endMs, clock.now() + BATCH_MS);
    while (batch.length < BATCH && clock.now() < batchEndMs) {
      const input = mutate({ corpus, dictionary: target.dictionary }, dice);
      batch.push(input);
      inputs++;
      const finding = await tryInput(open, input);
      if (finding !== undefined) return { ...progress(), finding: await shrink(open, finding, clock) };
    }
    if (coverage.hasNews()) await keepNew(batch);
    onProgress?.(progress());
  }
  return progress();
}
