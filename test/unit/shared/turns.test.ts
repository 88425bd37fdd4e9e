import { describe, expect, it } from 'vitest';
import { createTurns } from '../../../src/shared/turns.ts';

const stays = new AbortController().signal;

describe('turns', () => {
  it('run so many at once, let so many wait and refuse the rest', async () => {
    const turns = createTurns({ running: 2, waiting: 1 });
    const gates = Array.from({ length: 4 }, () => Promise.withResolvers<string>());
    const started: number[] = [];
    const results = gates.map((gate, index) =>
      turns.run(() => {
        started.push(index);
        return gate.promise;
      }, stays),
    );
    expect(await results[3]).toBeUndefined();
    expect(started).toEqual([0, 1]);
    gates[1]?.resolve('second');
    expect(await results[1]).toBe('second');
    gates[2]?.resolve('third');
    expect(await results[2]).toBe('third');
    expect(started).toEqual([0, 1, 2]);
    gates[0]?.resolve('first');
    expect(await results[0]).toBe('first');
  });

  it('are free again after work that failed', async () => {
    const turns = createTurns({ running: 1, waiting: 0 });
    await expect(turns.run(() => Promise.reject(new Error('boom')), stays)).rejects.toThrow('boom');
    expect(await turns.run(() => Promise.resolve('next'), stays)).toBe('next');
  });

  it('are not kept for one that goes away while it waits', async () => {
    const turns = createTurns({ running: 1, waiting: 1 });
    const gate = Promise.withResolvers<string>();
    const first = turns.run(() => gate.promise, stays);
    const caller = new AbortController();
    const gone = turns.run(() => Promise.resolve('never'), caller.signal);
    caller.abort(new Error('gone'));
    await expect(gone).rejects.toThrow('gone');
    const second = turns.run(() => Promise.resolve('second'), stays);
    gate.resolve('first');
    expect(await first).toBe('first');
    expect(await second).toBe('second');
  });

  it('are not taken by one that has gone already', async () => {
    const turns = createTurns({ running: 1, waiting: 0 });
    await expect(turns.run(() => Promise.resolve('never'), AbortSignal.abort())).rejects.toThrow();
    expect(await turns.run(() => Promise.resolve('next'), stays)).toBe('next');
  });
});
