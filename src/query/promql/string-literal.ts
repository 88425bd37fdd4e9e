const NAMED: ReadonlyMap<string, string> = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['\\', '\\'],
  ['"', '"'],
  ["'", "'"],
]);

/** The last alternative is a backslash that begins no escape. */
const ESCAPE = /\\(?:([abfnrtv\\"'])|([0-7]{3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|)/g;

/**
 * What a string literal of PromQL says, with its quotes: escapes as in Go, none between backticks. `undefined` when an
 * escape is none or is no character; bytes beyond ASCII are not put together to characters.
 */
export function unquote(literal: string): string | undefined {
  const content = literal.slice(1, -1);
  if (literal.startsWith('`')) return content;
  let isSound = true;
  const text = content.replaceAll(
    ESCAPE,
    (_escape, name?: string, octal?: string, ...hex: (string | undefined)[]) => {
      const [byte, short, long] = hex;
      const character =
        NAMED.get(name ?? '') ??
        characterOf(octal, 8, LAST_ASCII) ??
        characterOf(byte, 16, LAST_ASCII) ??
        characterOf(short ?? long, 16, LAST_CODE_POINT);
      isSound &&= character !== undefined;
      return character ?? '';
    },
  );
  return isSound ? text : undefined;
}

const LAST_ASCII = 0x7f;
const LAST_CODE_POINT = 0x10ffff;

function characterOf(digits: string | undefined, radix: 8 | 16, last: number): string | undefined {
  if (digits === undefined) return undefined;
  const code = Number.parseInt(digits, radix);
  const isSurrogate = code >= 0xd800 && code <= 0xdfff;
  return code > last || isSurrogate ? undefined : String.fromCodePoint(code);
}
