import type { Logger } from 'pino';
import { type Component, once } from '../../shared/lifecycle.ts';
import type { Turns } from '../../shared/turns.ts';
import type { Writer } from '../store/writer.ts';
import type { Reader } from './reader.ts';

interface WarmUpDeps {
  readonly reader: Reader;
  readonly turns: Turns;
  readonly writer: Pick<Writer, 'exclusively'>;
  /** Why nothing can be stored now; `undefined` when it can. */
  readonly refusal: () => Promise<string | undefined>;
  readonly logger: Logger;
}

/**
 * Counts what the services have, in a turn like any read, while the shard answers already: the first count after a
 * start goes through all that came since the last stop, and nobody should have to wait for it. Stores at the end what
 * the next start goes on from.
 */
export function startWarmUp({ reader, turns, writer, refusal, logger }: WarmUpDeps): Component {
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
      try {
        if ((await refusal()) !== undefined) return;
        await writer.exclusively(async connection => ({ result: await reader.store(connection) }));
      } catch (error) {
        logger.warn({ err: error }, 'what the services have is counted anew after the next start');
      }
    }),
  };
}
