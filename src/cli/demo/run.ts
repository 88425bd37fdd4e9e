import { setImmediate, setTimeout } from 'node:timers/promises';
import type { SpanContext } from '@opentelemetry/api';
import { perform } from './perform.ts';
import { SERVICE_NAMES, type ServiceName } from './plan.ts';
import type { Random } from './random.ts';
import { createDemoService, type DemoService } from './service.ts';
import { planTrace } from './shop.ts';
import { type Tally, watchPartialSuccess } from './tally.ts';

export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Resolves after the time, or as soon as `stop` is aborted. */
  sleep(ms: number, stop: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: async (ms, stop) => {
    if (ms <= 0) await setImmediate();
    else await setTimeout(ms, undefined, { signal: stop }).catch(() => {});
  },
};

export interface DemoOptions {
  readonly endpoint: URL;
  readonly tracesPerSecond: number;
  readonly until: { readonly traces: number } | { readonly durationMs: number };
  readonly random: Random;
  readonly clock: Clock;
  /** Ends it early; what was made by then is still sent. */
  readonly stop: AbortSignal;
  readonly exportTimeoutMs: number;
  readonly tally: Tally;
}

/** Makes traces at an even pace and resolves to their number when everything was sent or has failed. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const { tracesPerSecond, until, random, clock, stop } = options;
  const unwatch = watchPartialSuccess(options.tally);
  const services = Object.fromEntries(
    SERVICE_NAMES.map(name => [name, createDemoService({ ...options, name })]),
  ) as Record<ServiceName, DemoService>;
  const published: SpanContext[] = [];
  const startMs = clock.nowMs();
  const isOver = (made: number, dueMs: number) =>
    'traces' in until ? made >= until.traces : Math.max(dueMs, clock.nowMs()) - startMs >= until.durationMs;
  let made = 0;
  for (;;) {
    const dueMs = startMs + (made * 1000) / tracesPerSecond;
    if (isOver(made, dueMs)) break;
    await clock.sleep(dueMs - clock.nowMs(), stop);
    if (stop.aborted) break;
    perform({ services, published }, planTrace(random), clock.nowMs());
    made += 1;
  }
  await Promise.all(Object.values(services).map(service => service.shutdown()));
  unwatch();
  return made;
}
