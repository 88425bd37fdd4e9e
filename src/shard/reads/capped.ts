import { trailerLine } from '../../shared/read/ndjson.ts';

/** Bounds of one read's answer. */
export interface AnswerCaps {
  /** `shard.maxAnswerRows` */
  readonly maxRows: number;
  /** `shard.maxAnswerBytes` */
  readonly maxBytes: number;
  /** Whether the caller has set the bound on bytes, which then is `query.maxShardAnswerBytes`. */
  readonly isOfCaller?: boolean;
}

/** @param maxBytes what the caller takes, if it says so */
export function capsFor(caps: AnswerCaps, maxBytes: number | undefined): AnswerCaps {
  return maxBytes === undefined || maxBytes >= caps.maxBytes ? caps : { ...caps, maxBytes, isOfCaller: true };
}

interface Ending {
  readonly asOf: bigint;
  readonly caps: AnswerCaps;
  /** There are more rows than lines, which have about as many bytes as they may. */
  readonly isCut: boolean;
}

/** The lines as far as the caps allow, and the trailer that says whether there were more. */
export function* capped(lines: Iterable<string>, { asOf, caps, isCut }: Ending): Generator<string> {
  let rows = 0;
  let sizeBytes = 0;
  let truncatedBy: string | undefined;
  const bytesSetting = caps.isOfCaller ? 'query.maxShardAnswerBytes' : 'shard.maxAnswerBytes';
  for (const line of lines) {
    sizeBytes += Buffer.byteLength(line);
    if (rows === caps.maxRows) truncatedBy = 'shard.maxAnswerRows';
    else if (sizeBytes > caps.maxBytes) truncatedBy = bytesSetting;
    if (truncatedBy !== undefined) break;
    rows++;
    yield line;
  }
  if (isCut) truncatedBy ??= bytesSetting;
  const trailer = { rows, asOf: String(asOf), truncated: truncatedBy !== undefined };
  yield trailerLine(truncatedBy === undefined ? trailer : { ...trailer, truncatedBy });
}
