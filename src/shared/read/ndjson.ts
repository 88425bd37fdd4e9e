import type { Trailer } from './contract.ts';

/** One row line: the key first, then the row's JSON text exactly as the shard rendered it. */
export function rowLine(key: readonly string[], rowJson: string): string {
  return `{"k":${JSON.stringify(key)},"v":${rowJson}}\n`;
}

export function trailerLine(trailer: Trailer): string {
  return `${JSON.stringify({ end: trailer })}\n`;
}

/** Sort-key form of a number of nanoseconds: 20 digits hold every unsigned 64-bit value. */
export function nanosKey(nanos: bigint): string {
  return nanos.toString().padStart(20, '0');
}

/** Sort-key form of a signed 64-bit number. */
export function signedKey(value: bigint): string {
  return nanosKey(value + 2n ** 63n);
}

/** A raw quote cannot occur inside a JSON string, so the first `],"v":` ends the key. */
const KEY_END = '],"v":';

export interface RowLine {
  readonly key: readonly string[];
  readonly rowJson: string;
}

/** Splits a row line without parsing the row. Throws on anything that {@link rowLine} did not write. */
export function parseRowLine(line: string): RowLine {
  const keyEnd = line.indexOf(KEY_END);
  if (!line.startsWith('{"k":[') || keyEnd < 0 || !line.endsWith('}')) {
    throw new SyntaxError(`not a row line: ${line.slice(0, 80)}`);
  }
  return {
    key: JSON.parse(line.slice(5, keyEnd + 1)) as string[],
    rowJson: line.slice(keyEnd + KEY_END.length, -1),
  };
}

export function parseTrailer(line: string): Trailer | undefined {
  if (!line.startsWith('{"end":')) return undefined;
  return (JSON.parse(line) as { end: Trailer }).end;
}
