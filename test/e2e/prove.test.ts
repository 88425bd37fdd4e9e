import { describe, it } from 'vitest';
import { prove, type RunResult } from '../prove/prove.ts';
import { detailsOf } from '../prove/report.ts';
import { QUICK_SLICE } from '../prove/scenarios.ts';
import { QUEUE_KINDS } from '../prove/site.ts';
import { cannotControlRedis } from '../support/redis.ts';

/** A slice of `npm run prove`, always the same one. */
const SEED = 20_260_615;
/** A limit for a busy machine. */
const TIMEOUT_MS = 600_000;

describe('otelfan as it is deployed, in trouble', () => {
  // At once: they wait for others most of the time.
  it.concurrent.for(QUEUE_KINDS)(
    'has every record that it acknowledged, once, with its queue in %s',
    { timeout: TIMEOUT_MS },
    async (queue, { expect, skip, signal }) => {
      if (queue === 'redis' && cannotControlRedis !== undefined) skip(cannotControlRedis);
      const results: RunResult[] = [];
      await prove({
        seed: SEED,
        scenarios: QUICK_SLICE,
        queues: [queue],
        onNote: () => {},
        onResult: result => void results.push(result),
        signal,
      });
      expect(detailsOf(results)).toBe('');
      expect(results.map(({ scenario }) => scenario.name)).toEqual(
        QUICK_SLICE.filter(({ queues }) => queues.includes(queue)).map(({ name }) => name),
      );
    },
  );
});
