import { describe, expect, it } from 'vitest';
import { createForgetfulMap, ENTRY_CHARS } from '../../../src/shard/forgetful-map.ts';

describe('a map that forgets', () => {
  const sizeOf = (entries: number, chars: number) => entries * (ENTRY_CHARS + chars);

  it('knows what was added up to its bound, and then the last one alone', () => {
    const map = createForgetfulMap<string, number>(sizeOf(3, 10));
    for (const [place, key] of ['a', 'b', 'c'].entries()) map.add(key, place, 10);
    expect(['a', 'b', 'c'].map(map.get)).toEqual([0, 1, 2]);
    map.add('d', 3, 10);
    expect(['a', 'b', 'c', 'd'].map(map.get)).toEqual([undefined, undefined, undefined, 3]);
  });

  it('counts what is added again once', () => {
    const map = createForgetfulMap<string, number>(sizeOf(2, 10));
    for (let time = 0; time < 5; time++) map.add('a', 1, 10);
    map.add('b', 2, 10);
    expect([map.get('a'), map.get('b')]).toEqual([1, 2]);
  });

  it('forgets nothing for what is too large for it', () => {
    const map = createForgetfulMap<string, number>(sizeOf(1, 10));
    map.add('a', 1, 10);
    map.add('large', 2, 11);
    expect([map.get('a'), map.get('large')]).toEqual([1, undefined]);
  });
});
