import { describe, expect, it } from 'vitest';
import { type FanOutOptions, fanOut } from '../../../src/query/fan-out.ts';
import type { CallOutcome } from '../../../src/query/shard-call.ts';
import { shardSpec } from '../../support/stub-shard.ts';

const shards = ['s0', 's1', 's2'].map(id => shardSpec(id, 1));
const answered = (value: string): CallOutcome<string> => ({ kind: 'answered', value });
const never = () => new Promise<never>(() => {});

function run(options: Partial<FanOutOptions<string>> & Pick<FanOutOptions<string>, 'call'>) {
  return fanOut<string>({
    shards,
    timeoutMs: 5_000,
    signal: new AbortController().signal,
    failFast: false,
    ...options,
  });
}

describe('fanOut', () => {
  it('asks all shards before it waits for any, and keeps their order', async () => {
    const asked: string[] = [];
    const allAsked = Promise.withResolvers<void>();
    const slots = await run({
      call: async ({ id }) => {
        asked.push(id);
        if (asked.length === shards.length) allAsked.resolve();
        await allAsked.promise;
        return answered(id);
      },
    });
    expect(slots).toMatchObject([
      { shardId: 's0', kind: 'answered', value: 's0' },
      { shardId: 's1', kind: 'answered', value: 's1' },
      { shardId: 's2', kind: 'answered', value: 's2' },
    ]);
  });

  it('gives up the shards that miss the deadline, even if their calls never settle', async () => {
    const signals: AbortSignal[] = [];
    const slots = await run({
      timeoutMs: 30,
      call: ({ id }, signal) => {
        signals.push(signal);
        return id === 's1' ? never() : Promise.resolve(answered(id));
      },
    });
    expect(slots.map(slot => slot.kind)).toEqual(['answered', 'failed', 'answered']);
    expect(slots[1]).toMatchObject({ reason: 'no answer within 30 ms' });
    expect(slots[1]?.elapsedMs).toBeGreaterThanOrEqual(29);
    expect(signals.every(signal => signal.aborted)).toBe(true);
  });

  it('gives up laggards before the deadline once a shard has answered, when more rounds may follow', async () => {
    const call: FanOutOptions<string>['call'] = ({ id }) =>
      id === 's1' ? never() : Promise.resolve(answered(id));
    const slots = await run({ timeoutMs: 600, laggardShare: 0.1, call });
    expect(slots.map(slot => slot.kind)).toEqual(['answered', 'failed', 'answered']);
    expect(slots[1]).not.toMatchObject({ reason: 'no answer within 600 ms' });
    const none = await run({ timeoutMs: 60, laggardShare: 0.1, call: never });
    expect(none[0]).toMatchObject({ reason: 'no answer within 60 ms' });
  });

  it('repeats a call that found no connection, once', async () => {
    const calls: string[] = [];
    const slots = await run({
      call: ({ id }) => {
        const outcome: CallOutcome<string> =
          id === 's0' && calls.includes(id)
            ? answered(id)
            : { kind: 'unreachable', reason: `no way to ${id}` };
        calls.push(id);
        return Promise.resolve(id === 's2' ? { kind: 'failed', reason: 'said no' } : outcome);
      },
    });
    expect(slots).toMatchObject([
      { kind: 'answered' },
      { kind: 'failed', reason: 'no way to s1' },
      { kind: 'failed', reason: 'said no' },
    ]);
    expect(calls.toSorted()).toEqual(['s0', 's0', 's1', 's1', 's2']);
  });

  it('abandons the rest at the first failure when asked to', async () => {
    const slots = await run({
      failFast: true,
      call: ({ id }) => (id === 's1' ? Promise.resolve({ kind: 'failed', reason: 'said no' }) : never()),
    });
    expect(slots).toMatchObject([
      { kind: 'abandoned', reason: 'not waited for: s1 had failed' },
      { kind: 'failed', reason: 'said no' },
      { kind: 'abandoned' },
    ]);
  });

  it('ends its calls when nobody waits for the answer', async () => {
    const client = new AbortController();
    const aborted = Promise.withResolvers<void>();
    const slots = run({
      signal: client.signal,
      call: (_shard, signal) => {
        signal.addEventListener('abort', () => aborted.resolve());
        return never();
      },
    });
    client.abort();
    await aborted.promise;
    expect((await slots).map(slot => slot.kind)).toEqual(['abandoned', 'abandoned', 'abandoned']);
  });
});
