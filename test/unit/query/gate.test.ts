import { describe, expect, it } from 'vitest';
import { createGate, type Gate } from '../../../src/query/gate.ts';

/** One that stays until it is told to leave. */
function visit(gate: Gate, waitMs = 60_000) {
  const stay = new AbortController();
  return { entered: gate.enter({ signal: stay.signal, waitMs }), leave: () => stay.abort() };
}

describe('the gate', () => {
  it('lets so many in, has so many wait, and refuses the next, naming both settings', async () => {
    const gate = createGate({ maxConcurrent: 1, maxWaiting: 1 });
    const first = visit(gate);
    expect(await first.entered).toEqual({ kind: 'entered' });
    const second = visit(gate);
    expect(await visit(gate).entered).toEqual({
      kind: 'refused',
      reason: 'too many queries: 1 are in hand (query.maxConcurrent) and 1 wait (query.maxWaiting)',
    });
    expect([gate.inHand(), gate.waiting()]).toEqual([1, 1]);
    first.leave();
    expect(await second.entered).toEqual({ kind: 'entered' });
    expect([gate.inHand(), gate.waiting()]).toEqual([1, 0]);
    second.leave();
    await expect.poll(gate.inHand).toBe(0);
  });

  it('refuses who has waited long enough, and gives the turn to the next', async () => {
    const gate = createGate({ maxConcurrent: 1, maxWaiting: 2 });
    const first = visit(gate);
    const impatient = visit(gate, 5);
    const last = visit(gate);
    expect(await impatient.entered).toEqual({
      kind: 'refused',
      reason: 'too many queries: 1 are in hand (query.maxConcurrent), and none ended within 5 ms',
    });
    first.leave();
    expect(await last.entered).toEqual({ kind: 'entered' });
  });

  it('forgets who goes away while waiting', async () => {
    const gate = createGate({ maxConcurrent: 1, maxWaiting: 1 });
    const first = visit(gate);
    const second = visit(gate);
    second.leave();
    expect((await second.entered).kind).toBe('refused');
    const third = visit(gate);
    first.leave();
    expect(await third.entered).toEqual({ kind: 'entered' });
  });

  it('has no turn for who was gone before', async () => {
    const gate = createGate({ maxConcurrent: 1, maxWaiting: 1 });
    const gone = AbortSignal.abort();
    expect((await gate.enter({ signal: gone, waitMs: 60_000 })).kind).toBe('refused');
    expect(await visit(gate).entered).toEqual({ kind: 'entered' });
  });
});
