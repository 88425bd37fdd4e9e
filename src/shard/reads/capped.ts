import { trailerLine } from '../../shared/read/ndjson.ts';

/** Bounds of one read's answer. */
export interface AnswerCaps {
  /** `shard.maxAnswerRows` */
  readonly maxRows: number;
  /** `shard.maxAnswerBytes` */
  readonly maxBytes: number;
}

/** The lines as far as the caps allow, and the trailer that says whether there were more. */
export function* capped(lines: Iterable<string>, asOf: bigint, caps: AnswerCaps): Generator<string> {
  let rows = 0;
  let sizeBytes = 0;
  let truncatedBy: string | undefined;
  for (const line of lines) {
    sizeBytes += Buffer.byteLength(line);
    if (rows === caps.maxRows) truncatedBy = 'shard.maxAnswerRows';
    else if (sizeBytes > caps.maxBytes) truncatedBy = 'shard.maxAnswerBytes';
    if (truncatedBy !== undefined) break;
    rows++;
    yield line;
  }
  const trailer = { rows, asOf: String(asOf), truncated: truncatedBy !== undefined };
  yield trailerLine(truncatedBy === undefined ? trailer : { ...trailer, truncatedBy });
}
