/** When a lane looks into its queue again. One loop uses it; it waits for one thing at a time. */
export interface Pacer {
  /** Waits so long, Infinity for ever, or until `ready` or `end`. */
  pause(ms: number): Promise<void>;
  /** What a pause may wait for has changed. */
  ready(): void;
  /** To be called before the queue is asked; what arrives from then on is not slept through. */
  look(): Look;
  /** This process put something into the queue. */
  arrived(): void;
  /** Something in the queue is due in so long. */
  dueIn(ms: number): void;
  /** Ends all waiting. */
  end(): void;
}

interface Look {
  /** Waits until the next look is due, ever longer while nothing is found. */
  foundNothing(): Promise<void>;
  foundSomething(): void;
}

export interface PacerOptions {
  /** About the first wait of an idle lane. */
  readonly idleMs: number;
  /** About the longest; what other processes enqueue waits for it at most. */
  readonly idleMaxMs: number;
  /** Evenly from [0, 1). */
  readonly random: () => number;
}

export function createPacer({ idleMs, idleMaxMs, random }: PacerOptions): Pacer {
  let waiting: { readonly isIdle: boolean; readonly wake: () => void } | undefined;
  let arrivals = 0;
  let nextIdleMs = idleMs;
  let dueMs = Number.POSITIVE_INFINITY;
  let hasEnded = false;

  function wait(ms: number, isIdle: boolean): Promise<void> {
    if (hasEnded) return Promise.resolve();
    return new Promise(resolve => {
      const wake = () => {
        clearTimeout(timer);
        waiting = undefined;
        resolve();
      };
      const timer = ms === Number.POSITIVE_INFINITY ? undefined : setTimeout(wake, ms);
      waiting = { isIdle, wake };
    });
  }

  function wakeIdle(): void {
    arrivals += 1;
    if (waiting?.isIdle) waiting.wake();
  }

  return {
    pause: ms => wait(ms, false),
    ready() {
      if (waiting?.isIdle === false) waiting.wake();
    },
    look() {
      const arrivalsBefore = arrivals;
      return {
        async foundNothing() {
          if (arrivals !== arrivalsBefore) return;
          // Processes that went idle together do not look together.
          const jittered = nextIdleMs * (0.5 + random() / 2);
          const ms = Math.min(jittered, dueMs);
          nextIdleMs = Math.min(idleMaxMs, nextIdleMs * 2);
          dueMs = Number.POSITIVE_INFINITY;
          await wait(ms, true);
        },
        foundSomething() {
          nextIdleMs = idleMs;
        },
      };
    },
    arrived: wakeIdle,
    dueIn(ms) {
      dueMs = Math.min(dueMs, ms);
      wakeIdle();
    },
    end() {
      hasEnded = true;
      waiting?.wake();
    },
  };
}
