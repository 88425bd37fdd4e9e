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

const ROW_START_TEXT = '{"k":[';
const ROW_START = Buffer.from(ROW_START_TEXT);
/** A raw quote cannot occur inside a JSON string, so the first `],"v":` ends the key. */
const KEY_END_TEXT = '],"v":';
const KEY_END = Buffer.from(KEY_END_TEXT);
const CLOSING_BRACE = 0x7d;

/** A row whose bytes nobody has decoded. */
export interface RawRow {
  readonly key: readonly string[];
  /** The row's JSON as the shard sent it. */
  readonly json: Buffer;
}

/** Splits a row line, without its newline, and decodes the key alone. Throws on anything that {@link rowLine} did not write. */
export function parseRawRow(line: Buffer): RawRow {
  const keyEnd = line.indexOf(KEY_END);
  const isRow = keyEnd >= 0 && line.at(-1) === CLOSING_BRACE && beginsWith(line, ROW_START);
  if (!isRow) throw notARow(line.toString('utf8', 0, 80));
  return {
    key: JSON.parse(line.toString('utf8', ROW_START.length - 1, keyEnd + 1)) as string[],
    json: line.subarray(keyEnd + KEY_END.length, -1),
  };
}

export interface RowLine {
  readonly key: readonly string[];
  readonly rowJson: string;
}

/** The same of a text. */
export function parseRowLine(line: string): RowLine {
  const keyEnd = keyEndOf(line);
  return {
    key: JSON.parse(line.slice(ROW_START_TEXT.length - 1, keyEnd + 1)) as string[],
    rowJson: line.slice(keyEnd + KEY_END_TEXT.length, -1),
  };
}

/** The row's JSON alone; the key is not looked at. */
export function rowJsonOf(line: string): string {
  return line.slice(keyEndOf(line) + KEY_END_TEXT.length, -1);
}

function keyEndOf(line: string): number {
  const keyEnd = line.indexOf(KEY_END_TEXT);
  if (keyEnd >= 0 && line.endsWith('}') && line.startsWith(ROW_START_TEXT)) return keyEnd;
  throw notARow(line);
}

function notARow(line: string): SyntaxError {
  return new SyntaxError(`not a row line: ${line.slice(0, 80)}`);
}

const TRAILER_START = '{"end":';
const TRAILER_START_BYTES = Buffer.from(TRAILER_START);

/** No row line begins like this. */
export function isTrailer(line: Buffer): boolean {
  return beginsWith(line, TRAILER_START_BYTES);
}

function beginsWith(line: Buffer, start: Buffer): boolean {
  for (let at = 0; at < start.length; at++) if (line[at] !== start[at]) return false;
  return true;
}

/** Undefined for a line that is no trailer, or one without what a trailer has. Throws on what is not JSON. */
export function parseTrailer(line: string): Trailer | undefined {
  if (!line.startsWith(TRAILER_START)) return undefined;
  const { end } = JSON.parse(line) as { end: unknown };
  return isWhole(end) ? end : undefined;
}

function isWhole(end: unknown): end is Trailer {
  if (typeof end !== 'object' || end === null) return false;
  const { rows, asOf, truncated } = end as Partial<Record<keyof Trailer, unknown>>;
  return Number.isSafeInteger(rows) && typeof asOf === 'string' && typeof truncated === 'boolean';
}
