import type { Trailer } from '../shared/read/contract.ts';
import { parseTrailer } from '../shared/read/ndjson.ts';

/** NDJSON answers of a shard, one after the other in one body, that have proved to be whole. */
export type RowBodies =
  | { readonly kind: 'whole'; readonly asOf: string; readonly bodies: readonly RowBody[] }
  | { readonly kind: 'broken'; readonly reason: string };

interface RowBody {
  /** Row lines, each with its newline. */
  readonly lines: Buffer;
  readonly rows: number;
  readonly truncated: boolean;
  /** The setting whose bound ended the rows. */
  readonly truncatedBy?: string;
}

const NEWLINE = 0x0a;
/** No row line begins like this, and no row has a raw newline inside. */
const TRAILER_START = Buffer.from('\n{"end":');
const BARE_TRAILER_START = TRAILER_START.subarray(1);

/** Finds `count` answers and checks their trailers. Rows are counted here but not decoded: a merge needs few of them. */
export function rowBodiesOf(whole: Buffer, count: number): RowBodies {
  const bodies: RowBody[] = [];
  let asOf: string | undefined;
  let start = 0;
  while (start < whole.length) {
    const body = bodyAt(whole, start);
    if (body === undefined) return broken('answer ended without its trailer');
    const { lines, trailer } = body;
    const rows = countNewlines(lines);
    if (trailer.rows !== rows) {
      return broken(`answer has ${rows} rows but its trailer says ${trailer.rows}`);
    }
    if (asOf !== undefined && asOf !== trailer.asOf) return broken('answered at two commits');
    asOf = trailer.asOf;
    bodies.push({ ...trailer, lines, rows });
    start = body.end;
  }
  if (asOf === undefined || bodies.length < count) return broken('answer ended without its trailer');
  if (bodies.length > count) return broken(`gave ${bodies.length} answers to ${count} reads`);
  return { kind: 'whole', asOf, bodies };
}

/** What is said of an answer that a bound of the shard ended. */
export function cutReason({ rows, truncatedBy }: Pick<Trailer, 'rows' | 'truncatedBy'>): string {
  const reason = `gave its first ${rows} rows only`;
  return truncatedBy === undefined ? reason : `${reason} (${truncatedBy})`;
}

/** The rows up to the next trailer, and where what follows it begins. */
function bodyAt(whole: Buffer, start: number) {
  const isEmpty = whole.subarray(start, start + BARE_TRAILER_START.length).equals(BARE_TRAILER_START);
  const newline = isEmpty ? start - 1 : whole.indexOf(TRAILER_START, start);
  const trailerEnd = whole.indexOf(NEWLINE, newline + 1);
  if ((!isEmpty && newline < 0) || trailerEnd < 0) return undefined;
  const trailer = trailerOf(whole.toString('utf8', newline + 1, trailerEnd));
  return trailer && { lines: whole.subarray(start, newline + 1), trailer, end: trailerEnd + 1 };
}

function trailerOf(line: string): Trailer | undefined {
  try {
    return parseTrailer(line) ?? undefined;
  } catch {
    return undefined;
  }
}

function countNewlines(lines: Buffer): number {
  let count = 0;
  for (let at = lines.indexOf(NEWLINE); at >= 0; at = lines.indexOf(NEWLINE, at + 1)) count++;
  return count;
}

function broken(reason: string): RowBodies {
  return { kind: 'broken', reason };
}
