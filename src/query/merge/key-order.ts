type Direction = 'ascending' | 'descending';

/** One direction per element of a sort key. */
export type KeyOrder = readonly Direction[];

/** Compares two keys element by element; negative when `a` comes first. Both have as many elements as the order. */
export function compareKeys(a: readonly string[], b: readonly string[], order: KeyOrder): number {
  for (let index = 0; index < order.length; index++) {
    const compared = compareUtf8(a[index] as string, b[index] as string);
    if (compared !== 0) return order[index] === 'ascending' ? compared : -compared;
  }
  return 0;
}

/** Finds what is wrong with keys that should be in order, one after the other; `undefined` for a key that is right. */
export function createKeyCheck(order: KeyOrder): (key: readonly unknown[]) => string | undefined {
  let previous: readonly string[] | undefined;
  return key => {
    if (key.length !== order.length || key.some(element => typeof element !== 'string')) {
      return 'sent a row whose key does not fit the read';
    }
    const texts = key as readonly string[];
    if (previous !== undefined && compareKeys(previous, texts, order) > 0) return 'sent rows out of order';
    previous = texts;
    return undefined;
  };
}

/**
 * Compares as UTF-8 bytes do, which is also code point order. JavaScript's own order is by UTF-16 code units, where
 * the surrogates of 😀 (U+1F600) come before U+FFEE.
 */
export function compareUtf8(a: string, b: string): number {
  if (a === b) return 0;
  const shared = Math.min(a.length, b.length);
  for (let index = 0; index < shared; index++) {
    const difference = rank(a.charCodeAt(index)) - rank(b.charCodeAt(index));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above every other code unit. */
function rank(codeUnit: number): number {
  return codeUnit >= 0xd800 && codeUnit <= 0xdfff ? codeUnit + 0x10000 : codeUnit;
}
