/** What is cheap to come by again, by a key, up to a bound of its size in characters: beyond it all is forgotten. */
export interface ForgetfulMap<Key, Value> {
  get(key: Key): Value | undefined;
  /** Does nothing when the key is there, or when the value alone is beyond the bound. */
  add(key: Key, value: Value, chars: number): void;
}

/** What a key and its value take besides their texts, about. */
export const ENTRY_CHARS = 100;

export function createForgetfulMap<Key, Value>(maxChars: number): ForgetfulMap<Key, Value> {
  const known = new Map<Key, Value>();
  let knownChars = 0;
  return {
    get: key => known.get(key),
    add(key, value, chars) {
      const entryChars = chars + ENTRY_CHARS;
      if (entryChars > maxChars || known.has(key)) return;
      if (knownChars + entryChars > maxChars) {
        known.clear();
        knownChars = 0;
      }
      knownChars += entryChars;
      known.set(key, value);
    },
  };
}
