import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Shares the main thread between long work and everything else. Node has one thread for all JavaScript: while a large
 * request is decoded no other is received, and no answer of a database or a disk is heard.
 */
export interface TimeSlices {
  /**
   * Does work in slices of time with a turn of the event loop between them; it yields where it may be interrupted.
   * Works are done one after the other: side by side they would take as long, and every one would end as the last.
   */
  run<T>(work: Iterator<unknown, T, undefined>): Promise<T>;
  /** Settles when the work that is to end next has ended, well or not; `undefined` when there is none. */
  next(): Promise<void> | undefined;
}

export function createTimeSlices({ sliceMs }: { readonly sliceMs: number }): TimeSlices {
  let sliceEndMs = 0;
  let last: Promise<void> = Promise.resolve();
  const underWay: Promise<void>[] = [];

  async function sliced<T>(work: Iterator<unknown, T, undefined>): Promise<T> {
    for (;;) {
      if (performance.now() >= sliceEndMs) {
        await nextTurn();
        sliceEndMs = performance.now() + sliceMs;
      }
      const step = work.next();
      if (step.done === true) return step.value;
    }
  }

  return {
    run(work) {
      const done = last.then(() => sliced(work));
      const ended = () => void underWay.shift();
      last = done.then(ended, ended);
      underWay.push(last);
      return done;
    },
    next: () => underWay[0],
  };
}
