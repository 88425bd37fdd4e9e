import type { Logger } from 'pino';
import { type Component, once } from '../../shared/lifecycle.ts';
import type { Turns } from '../../shared/turns.ts';
import type { Reader } from './reader.ts';

interface WarmUpDeps {
  readonly reader: Reader;
  readonly turns: Turns;
  readonly logger: Logger;
}

/**
 * Counts what the services have, in a turn like any read, while the shard answers already: only the first count after
 * a start goes through everything, and nobody should have to wait for it.
 */
export function startWarmUp({ reader, turns, logger }: WarmUpDeps): Component {
  const stopping = new AbortController();
  const startMs = performance.now();
  const done = turns
    .run(() => reader.warmUp(stopping.signal), stopping.signal)
    .then(() => {
      const tookMs = Math.round(performance.now() - startMs);
      logger.info({ tookMs }, 'counted what the services have');
    })
    .catch((error: unknown) => {
      if (stopping.signal.aborted) return;
      logger.warn({ err: error }, 'what the services have is counted when it is asked for');
    });
  return {
    stop: once(async () => {
      stopping.abort();
      await done;
    }),
  };
}
