import { describe, expect, it } from 'vitest';
import { wordsIn } from '../../../../src/shared/text/words.ts';

const wordsOf = (text: string) => [...wordsIn(text)];

describe('the words of a text', () => {
  it('are its runs of letters, digits and underscores, in lower case and in order', () => {
    expect(wordsOf('GET /api/v1/Checkout_7?id=42 - took 3.5ms, GET')).toEqual([
      'get',
      'api',
      'v1',
      'checkout_7',
      'id',
      '42',
      'took',
      '3',
      '5ms',
      'get',
    ]);
    expect(wordsOf('')).toEqual([]);
    expect(wordsOf(' -"- ')).toEqual([]);
  });

  it('are those of every language, marks included', () => {
    expect(wordsOf('Grüße, señor! Привет, мир. हिन्दी 日本語 ١٢٣ 😀x')).toEqual([
      'grüße',
      'señor',
      'привет',
      'мир',
      'हिन्दी',
      '日本語',
      '١٢٣',
      'x',
    ]);
  });

  it('are equal where Unicode holds the texts for equal', () => {
    expect(wordsOf('Cafe\u0301')).toEqual(wordsOf('CAFÉ'));
    expect(wordsOf('\u212A')).toEqual(['k']);
  });

  it('do not depend on where a sigma stands', () => {
    expect(wordsOf("ΟΔΟΣ ΟΔΟΣ'Α")).toEqual(['οδοσ', 'οδοσ', 'α']);
  });

  it('are cut to 64 characters, never through the middle of one', () => {
    expect(wordsOf(`${'A'.repeat(100)} b`)).toEqual(['a'.repeat(64), 'b']);
    expect(wordsOf('𝒳'.repeat(100))).toEqual(['𝒳'.repeat(64)]);
  });

  it('are the same whether the text is short or long', () => {
    const text = 'Ein "Wort" und noch_eins; ';
    const many = wordsOf(text.repeat(10_000));
    expect(many.length).toBe(40_000);
    expect(new Set(many)).toEqual(new Set(wordsOf(text)));
  });
});
