/** One that a tael-server of whatever engine takes, and that no newer one takes for the start of an operator. */
const PLAIN_KEY = /^[A-Za-z0-9._:/-]+$/;

/**
 * The attributes that it can be asked for: since version 0.5.15 `key~=value` and `key=~value` are a substring and a
 * regular expression there.
 */
export function safeAttributes(attributes: readonly (readonly [string, string])[]) {
  return attributes.filter(
    ([key, value]) => PLAIN_KEY.test(key) && !value.startsWith('~') && !/~=|=~/.test(value),
  );
}
