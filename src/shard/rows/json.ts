/** Members are JSON texts; an `undefined` one is left out. */
export function jsonObject<Row>(
  members: {
    readonly [Member in keyof Required<Row>]: string | undefined;
  },
): string {
  const texts: string[] = [];
  for (const [name, text] of Object.entries(members))
    if (text !== undefined) texts.push(`"${name}":${text as string}`);
  return `{${texts.join(',')}}`;
}

/** Makes strings of all numbers and booleans of a JSON text without spaces, as they are written. */
export function quoteBareValues(json: string): string {
  let quoted = '';
  for (let at = 0; ; ) {
    const open = json.indexOf('"', at);
    const between = json.slice(at, open === -1 ? json.length : open);
    quoted += between.length <= 1 ? between : between.replaceAll(/[^{}[\],:]+/g, '"$&"');
    if (open === -1) return quoted;
    at = stringEnd(json, open);
    quoted += json.slice(open, at);
  }
}

/** Where the string that begins at `open` is over, its quotes included. */
function stringEnd(json: string, open: number): number {
  let close = json.indexOf('"', open + 1);
  while (isEscaped(json, close)) close = json.indexOf('"', close + 1);
  return close + 1;
}

function isEscaped(json: string, at: number): boolean {
  let backslashes = 0;
  while (json[at - 1 - backslashes] === '\\') backslashes++;
  return backslashes % 2 === 1;
}
