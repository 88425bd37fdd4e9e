import { describe, expect, it } from 'vitest';
import { createTimeSlices } from '../../../src/shared/time-slices.ts';

/** Work of so many steps that notes each of them. */
function* steps(name: string, count: number, diary: string[]): Generator<undefined, string, undefined> {
  for (let step = 1; step <= count; step++) {
    diary.push(`${name}${step}`);
    yield;
  }
  return `${name} is done`;
}

describe('work in slices of time', () => {
  it('lets other work in between when a slice is over', async () => {
    const diary: string[] = [];
    const slices = createTimeSlices({ sliceMs: 0 });
    const other = setInterval(() => diary.push('other'), 0);
    function* work() {
      for (let step = 0; step < 20; step++) {
        for (const endMs = performance.now() + 1; performance.now() < endMs; );
        yield;
      }
    }
    await slices.run(work());
    clearInterval(other);
    expect(diary.length).toBeGreaterThan(5);
  });

  it('goes on without a turn while a slice lasts', async () => {
    const diary: string[] = [];
    const slices = createTimeSlices({ sliceMs: 60_000 });
    await slices.run(steps('a', 1, diary));
    const other = setImmediate(() => diary.push('other'));
    expect(await slices.run(steps('b', 100, diary))).toBe('b is done');
    clearImmediate(other);
    expect(diary).not.toContain('other');
  });

  it('is done one after the other, in the order of asking', async () => {
    const diary: string[] = [];
    const slices = createTimeSlices({ sliceMs: 0 });
    const done = await Promise.all(['a', 'b'].map(name => slices.run(steps(name, 2, diary))));
    expect([done, diary]).toEqual([
      ['a is done', 'b is done'],
      ['a1', 'a2', 'b1', 'b2'],
    ]);
  });

  it('goes on with the next after one that fails', async () => {
    const slices = createTimeSlices({ sliceMs: 0 });
    const failing = slices.run(
      (function* () {
        yield;
        throw new Error('broken');
      })(),
    );
    const next = slices.run(steps('a', 1, []));
    await expect(failing).rejects.toThrow('broken');
    expect(await next).toBe('a is done');
  });

  it('tells when the work that is next to end has ended, well or not', async () => {
    const slices = createTimeSlices({ sliceMs: 0 });
    const ended: string[] = [];
    const note = (name: string) => () => void ended.push(name);
    function* broken() {
      yield;
      throw new Error('broken');
    }
    expect(slices.next()).toBeUndefined();
    slices.run(broken()).then(note('a'), note('a'));
    slices.run(steps('b', 3, [])).then(note('b'), note('b'));
    await slices.next();
    expect(ended).toEqual(['a']);
    await slices.next();
    expect(ended).toEqual(['a', 'b']);
    expect(slices.next()).toBeUndefined();
  });
});
