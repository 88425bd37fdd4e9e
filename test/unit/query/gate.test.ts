import { describe, expect, it } from 'vitest';
import { createGate } from '../../../src/query/gate.ts';

const patient = () => ({ signal: new AbortController().signal, waitMs: 60_000 });

/** Work that ends when it is told to. */
function held() {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<string>();
  const work = () => {
    begun.resolve();
    return ended.promise;
  };
  return { work, begun: begun.promise, end: ended.resolve };
}

describe('the gate', () => {
  it('lets so many run, has so many wait, and refuses the next, naming both settings', async () => {
    const gate = createGate({ maxConcurrent: 1, maxWaiting: 1 });
    const [first, second] = [held(), held()];
    const one = gate.pass(first.work, patient());
    const two = gate.pass(second.work, patient());
    await first.begun;
    expect([gate.running(), gate.waiting()]).toEqual([1, 1]);
    expect(await gate.pass(() => Promise.resolve('third'), patient())).toEqual({
      kind: 'refused',
      reason: 'too many queries: 1 run (query.maxConcurrent) and 1 wait (query.maxWaiting)',
    });
    first.end('first');
    expect(await one).toEqual({ kind: 'done', value: 'first' });
    await second.begun;
    second.end('second');
    expect(await two).toEqual({ kind: 'done', value: 'second' });
    expect([gate.running(), gate.waiting()]).toEqual([0, 0]);
  });

  it('refuses who has waited long enough, and gives the turn to the next', async () => {
    const gate = createGate({ maxConcurrent: 1, maxWaiting: 2 });
    const first = held();
    const one = gate.pass(first.work, patient());
    const impatient = gate.pass(() => Promise.resolve('late'), { ...patient(), waitMs: 5 });
    const last = gate.pass(() => Promise.resolve('last'), patient());
    expect(await impatient).toEqual({
      kind: 'refused',
      reason: 'too many queries: 1 run (query.maxConcurrent), and none ended within 5 ms',
    });
    first.end('first');
    await one;
    expect(await last).toEqual({ kind: 'done', value: 'last' });
  });

  it('forgets who goes away while waiting', async () => {
    const gate = createGate({ maxConcurrent: 1, maxWaiting: 1 });
    const first = held();
    const one = gate.pass(first.work, patient());
    const gone = new AbortController();
    const two = gate.pass(() => Promise.resolve('never'), { signal: gone.signal, waitMs: 60_000 });
    gone.abort();
    expect((await two).kind).toBe('refused');
    expect(gate.waiting()).toBe(0);
    first.end('first');
    await one;
  });

  it('passes on what the work throws, and the turn is free again', async () => {
    const gate = createGate({ maxConcurrent: 1, maxWaiting: 0 });
    await expect(gate.pass(() => Promise.reject(new Error('bug')), patient())).rejects.toThrow('bug');
    expect(await gate.pass(() => Promise.resolve(1), patient())).toEqual({ kind: 'done', value: 1 });
    expect(gate.running()).toBe(0);
  });
});
