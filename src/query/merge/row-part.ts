import { parseRawRow, parseRowLine, type RawRow, type RowLine, rowJsonOf } from '../../shared/read/ndjson.ts';
import { createKeyCheck, type KeyOrder } from './key-order.ts';

/** The rows of one shard's answer as it sent them: row lines, each ended by a newline, in the read's order. */
export interface RowPart {
  readonly shardId: string;
  readonly lines: Buffer;
}

/**
 * A shard sent rows that break the internal read contract. Rows are looked at only when the merge reaches them, so
 * this is found late; the runner then reports the shard as failed and combines again without it.
 */
export class BrokenPart extends Error {
  readonly shardId: string;

  constructor(shardId: string, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.shardId = shardId;
  }
}

const NEWLINE = 0x0a;
export const MALFORMED_ROW = 'sent a malformed row';

/** Decodes one row at a time: what is not reached costs next to nothing. */
export function* rowsOf(part: RowPart): Generator<RowLine, undefined> {
  for (const lines of linesOf(part)) {
    for (const line of lines) yield rowOf(part, line);
  }
}

/** What the rows say, without their keys, many at a time: to call the JSON parser takes as long as a short row. */
export function* valuesOf(part: RowPart): Generator<readonly unknown[], undefined> {
  for (const lines of linesOf(part)) yield parsed(part, lines);
}

/** Long enough for few calls of what takes all of it, and short enough to stay in a processor's cache. */
const TEXT_BYTES = 64 * 1024;

/** The lines of a part, as many at a time as a text of usual length has. */
function* linesOf({ lines }: RowPart): Generator<readonly string[], undefined> {
  for (let start = 0; start < lines.length; ) {
    const end = lines.indexOf(NEWLINE, Math.min(start + TEXT_BYTES, lines.length - 1));
    yield lines.toString('utf8', start, end).split('\n');
    start = end + 1;
  }
}

function rowOf({ shardId }: RowPart, line: string): RowLine {
  try {
    return parseRowLine(line);
  } catch (error) {
    throw new BrokenPart(shardId, MALFORMED_ROW, { cause: error });
  }
}

function parsed({ shardId }: RowPart, lines: readonly string[]): readonly unknown[] {
  try {
    const values = JSON.parse(`[${lines.map(rowJsonOf).join(',\n')}]`) as unknown[];
    if (values.length === lines.length) return values;
  } catch (error) {
    throw new BrokenPart(shardId, MALFORMED_ROW, { cause: error });
  }
  throw new BrokenPart(shardId, MALFORMED_ROW);
}

/** The rows of a part for a merge, which finds out when they are not in order. */
export function sortedRowsOf(part: RowPart, order: KeyOrder): { next(): RawRow | 'over' } {
  const rows = rawRowsOf(part);
  const faultOf = createKeyCheck(order);
  return {
    next() {
      const row = rows.next().value;
      if (row === undefined) return 'over';
      const fault = faultOf(row.key);
      if (fault !== undefined) throw new BrokenPart(part.shardId, fault);
      return row;
    },
  };
}

function* rawRowsOf(part: RowPart): Generator<RawRow, undefined> {
  for (let start = 0; start < part.lines.length; ) {
    const end = part.lines.indexOf(NEWLINE, start);
    yield rawRowOf(part, part.lines.subarray(start, end));
    start = end + 1;
  }
}

function rawRowOf(part: RowPart, line: Buffer): RawRow {
  try {
    return parseRawRow(line);
  } catch (error) {
    throw new BrokenPart(part.shardId, MALFORMED_ROW, { cause: error });
  }
}
