import { describe, expect, it } from 'vitest';
import { prove, type RunResult } from '../prove/prove.ts';
import { detailsOf } from '../prove/report.ts';
import { SAFEGUARDS } from '../prove/safeguards.ts';
import { SCENARIOS } from '../prove/scenarios.ts';
import type { QueueKind } from '../prove/site.ts';
import { cannotControlRedis } from '../support/redis.ts';

const SEED = 20_260_615;
const REPEATS = 'senders repeat within the repeat window';

/** A quick slice; `npm run prove` is all of it. */
async function run(queue: QueueKind, names: readonly string[], without?: string): Promise<RunResult[]> {
  const results: RunResult[] = [];
  const safeguard = SAFEGUARDS.find(({ name }) => name === without);
  await prove({
    seed: SEED,
    scenarios: SCENARIOS.filter(({ name }) => names.includes(name)),
    queues: [queue],
    ...(safeguard && { without: safeguard }),
    onNote: () => {},
    onResult: result => void results.push(result),
    signal: AbortSignal.timeout(200_000),
  });
  expect(results).toHaveLength(names.length);
  return results;
}

describe('otelfan as it is deployed, in trouble', () => {
  it.for([
    ['lmdb', ['kill -9: two processes at once', 'shard hangs']],
    ['redis', ['kill -9: shard', 'Redis killed']],
  ] as const)('has every record that it acknowledged, once, on %s', async ([queue, names], { skip }) => {
    if (queue === 'redis' && cannotControlRedis !== undefined) skip(cannotControlRedis);
    const results = await run(queue, names);
    expect(detailsOf(results)).toBe('');
  });

  it('is found out when repeats are stored twice', async () => {
    expect(detailsOf(await run('lmdb', [REPEATS], 'slice-dedupe'))).toContain('stored twice');
  });
});
