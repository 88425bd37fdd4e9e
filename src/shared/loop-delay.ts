import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Component, once } from './lifecycle.ts';

/** How late this process is with its work. */
export interface LoopDelay extends Component {
  /** Milliseconds, the mean of the last look; looks are at least `LOOK_EVERY_MS` apart. */
  meanMs(): number;
}

const RESOLUTION_MS = 10;
/** Long enough that one garbage collection is not taken for overload. */
const LOOK_EVERY_MS = 250;

/**
 * Watches the event loop. The histogram is read and compared with the last reading, never reset: a reset loses the
 * first sample after it, which under load is the one that matters.
 */
export function createLoopDelay(monotonicMs: () => number): LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  let lookedAtMs = monotonicMs();
  let samples = 0;
  let totalNs = 0;
  let meanMs = 0;

  function look(): void {
    const count = histogram.count;
    if (count === samples) return;
    const sumNs = histogram.mean * count;
    // A sample is the time between two ticks of a timer; what is beyond its period is the delay.
    meanMs = Math.max(0, (sumNs - totalNs) / (count - samples) / 1e6 - RESOLUTION_MS);
    samples = count;
    totalNs = sumNs;
  }

  return {
    meanMs() {
      const nowMs = monotonicMs();
      if (nowMs - lookedAtMs >= LOOK_EVERY_MS) {
        lookedAtMs = nowMs;
        look();
      }
      return meanMs;
    },
    stop: once(() => {
      histogram.disable();
      return Promise.resolve();
    }),
  };
}

/** Why nothing more should be taken, or `undefined`; for `Admission`. */
export function loopDelayReason(delay: LoopDelay, mostMs: number, setting: string): () => string | undefined {
  return () => {
    const meanMs = delay.meanMs();
    if (meanMs <= mostMs) return undefined;
    return `this process is ${Math.round(meanMs)} ms late with its work; add workers or replicas, or raise ${setting}`;
  };
}
