import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unionOf, WordSet } from '../../src/shard/word-set.ts';
import { ANY_WORD, wordsIn } from '../../src/shared/text/words.ts';
import { wordsOf } from '../support/shard-store.ts';

/** With repeated words, long ones, and some that are not ASCII. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'GET',
        'get',
        'a',
        '_',
        '',
        'Grüße',
        'Cafe\u0301',
        '\u0301',
        'x'.repeat(64),
        'x'.repeat(70),
      ),
      fc.string({ unit: 'binary-ascii', maxLength: 12 }),
      fc.integer({ min: 0, max: 300 }).map(String),
    ),
    { maxLength: 40 },
  )
  .map(parts => parts.join(' '));

function addBytes(words: WordSet, added: string): void {
  const bytes = Buffer.from(`…${added}…`);
  const size = Buffer.byteLength('…');
  if (!words.addAscii(bytes, size, bytes.length - size)) words.addText(added);
}

describe('a set of words', () => {
  it.each([
    ['as texts', (words: WordSet, added: string) => words.addText(added)],
    ['as bytes', addBytes],
  ])('has the words of every text that was added %s, each once', (_what, add) => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 8 }), texts => {
        const words = new WordSet();
        for (const each of texts) add(words, each);
        expect([...words]).toEqual([...new Set(texts.flatMap(each => [...wordsIn(each)]))]);
      }),
    );
  });

  it('takes bytes for what they are only when all of them are ASCII', () => {
    fc.assert(
      fc.property(text, added => {
        const bytes = Buffer.from(added);
        expect(new WordSet().addAscii(bytes, 0, bytes.length)).toBe(bytes.length === added.length);
      }),
    );
  });

  it('has the words of all sets that it is the union of', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 5 }), texts => {
        const union = unionOf(texts.map(wordsOf));
        expect(new Set(union)).toEqual(new Set(texts.flatMap(each => [...wordsIn(each)])));
        expect(union.size).toBe(new Set(union).size);
      }),
    );
  });

  it('has nothing but the one that stands for all, when there are too many', () => {
    const numbers = Array.from({ length: 250_001 }, (_, no) => no).join(' ');
    for (const add of [(words: WordSet, added: string) => words.addText(added), addBytes]) {
      const words = wordsOf('one two');
      add(words, numbers);
      add(words, 'three');
      expect([...words]).toEqual([ANY_WORD]);
      expect([...unionOf([words, wordsOf('four')])]).toEqual([ANY_WORD, 'four']);
    }
  });
});
