import { describe, expect, it } from 'vitest';
import { JsonBytes } from '../../../../src/shard/decode/json-bytes.ts';
import { Arena } from '../../../../src/shard/store/arena.ts';

function written(text: string): Arena {
  const arena = new Arena(16);
  const source = Buffer.from(`<${text}>`);
  new JsonBytes(arena, source).string(1, source.length - 1);
  return arena;
}

describe('a string in JSON', () => {
  it.each([
    ['nothing to escape', 'a'.repeat(100)],
    ['only what takes six bytes', '\u0001'.repeat(100)],
    ['both by turns', 'a"\\\n\u001f€😀'.repeat(100)],
  ])('is written as JSON.stringify does, with %s', (_what, text) => {
    const { bytes, sizeBytes } = written(text);
    expect(bytes.toString('utf8', 0, sizeBytes)).toBe(JSON.stringify(text));
  });

  it('takes no more room for a long text than it needs', () => {
    expect(written('x'.repeat(1_000_000)).bytes.length).toBe(1_000_002);
    expect(written(`${'x'.repeat(1_000_000)}\n`).bytes.length).toBeLessThan(2_100_000);
  });
});
