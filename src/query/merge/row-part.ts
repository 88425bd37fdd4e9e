import { parseRowLine, type RowLine } from '../../shared/read/ndjson.ts';

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

/** Decodes one line at a time: what a merge does not reach costs nothing. */
export function* rowsOf(part: RowPart): Generator<RowLine, undefined> {
  for (let start = 0; start < part.lines.length; ) {
    const end = part.lines.indexOf(NEWLINE, start);
    yield rowOf(part, part.lines.toString('utf8', start, end));
    start = end + 1;
  }
}

function rowOf(part: RowPart, line: string): RowLine {
  try {
    return parseRowLine(line);
  } catch (error) {
    throw new BrokenPart(part.shardId, 'sent a malformed row', { cause: error });
  }
}
