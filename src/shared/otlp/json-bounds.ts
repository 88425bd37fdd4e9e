/** Below this the worst JSON costs half a second or so, and finding out would cost every request more. */
const LOOKED_AT_BYTES = 1024 * 1024;
/** Twenty for each of as many records as a request may have; an empty one takes three bytes here and 56 when parsed. */
const MAX_CONTAINERS = 4_000_000;
/** Each level of a message is two: a list, and an object in it. */
const MAX_DEPTH = 200;
/** OTLP has about a hundred. The engine describes every order of names it meets: some millions take it a minute. */
const MAX_NAMES = 1000;

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * What of a JSON text would take many times its size in memory, or many times the usual time, when it is parsed;
 * `undefined` for any other. The text need not be valid: a parser takes the memory before it finds out.
 */
export function jsonExcess(json: Buffer): string | undefined {
  if (json.length < LOOKED_AT_BYTES) return undefined;
  const names = new Set<number>();
  let containers = 0;
  let depth = 0;
  let stringStart = 0;
  let stringEnd = 0;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (byte === QUOTE) {
      stringStart = at + 1;
      at = endOfString(json, stringStart);
      stringEnd = at;
    } else if (byte === COLON) {
      names.add(hashOf(json, stringStart, stringEnd));
      if (names.size > MAX_NAMES) return `more than ${MAX_NAMES} different member names`;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++containers > MAX_CONTAINERS) return `more than ${MAX_CONTAINERS} objects and arrays`;
      if (++depth > MAX_DEPTH) return `nested deeper than ${MAX_DEPTH} levels`;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
  }
  return undefined;
}

/** Where the quote is that ends a string, or the end of the text. */
function endOfString(json: Buffer, start: number): number {
  for (let at = start; at < json.length; at++) {
    const byte = json[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at++;
  }
  return json.length;
}

/** FNV-1a: names are short, and two that meet in one number are counted as one. */
function hashOf(bytes: Buffer, start: number, end: number): number {
  let hash = 0x811c_9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x0100_0193);
  return hash;
}
