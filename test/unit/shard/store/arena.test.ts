import { describe, expect, it } from 'vitest';
import { Arena } from '../../../../src/shard/store/arena.ts';

describe('an arena', () => {
  it('takes texts of any length one behind the other', () => {
    const arena = new Arena(0);
    const texts = ['', 'a', '€'.repeat(1000), '\0', '😀'];
    const places = texts.map(text => [arena.sizeBytes, arena.addText(text)] as const);
    expect(places.map(([start, sizeBytes]) => arena.text(start, sizeBytes))).toEqual(texts);
  });

  it('takes no more room for a long text than it needs', () => {
    const arena = new Arena(16);
    arena.addText('x'.repeat(1_000_000));
    expect(arena.bytes.length).toBe(1_000_000);
  });

  it('refuses more than its places can tell, instead of losing count', () => {
    const arena = new Arena(0);
    arena.sizeBytes = 2 ** 31 - 2;
    expect(() => arena.addText('ab')).toThrow(RangeError);
  });
});
