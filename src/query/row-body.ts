import { parseTrailer } from '../shared/read/ndjson.ts';

/** An NDJSON answer of a shard that has proved to be whole. */
export type RowBody =
  | { readonly kind: 'whole'; readonly lines: Buffer; readonly rows: number; readonly truncated: boolean }
  | { readonly kind: 'broken'; readonly reason: string };

const NEWLINE = 0x0a;
const BYTES_PER_MIB = 1024 * 1024;

/**
 * Collects a shard's answer of at most `maxBytes` and checks its trailer. Rows are counted here but not decoded: a
 * merge needs few of them. Throws what the stream throws.
 */
export async function readRowBody(body: AsyncIterable<Buffer>, maxBytes: number): Promise<RowBody> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  let newlines = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) return broken(`answer is larger than ${maxBytes / BYTES_PER_MIB} MiB`);
    newlines += countNewlines(chunk);
    chunks.push(chunk);
  }
  return checkTrailer(Buffer.concat(chunks, sizeBytes), newlines - 1);
}

function checkTrailer(body: Buffer, rows: number): RowBody {
  if (body.at(-1) !== NEWLINE) return broken('answer ended without its trailer');
  const trailerStart = body.lastIndexOf(NEWLINE, -2) + 1;
  const trailer = trailerOf(body.toString('utf8', trailerStart, body.length - 1));
  if (trailer === undefined) return broken('answer ended without its trailer');
  if (trailer.rows !== rows) return broken(`answer has ${rows} rows but its trailer says ${trailer.rows}`);
  return { kind: 'whole', lines: body.subarray(0, trailerStart), rows, truncated: trailer.truncated };
}

function trailerOf(line: string) {
  try {
    return parseTrailer(line) ?? undefined;
  } catch {
    return undefined;
  }
}

function countNewlines(chunk: Buffer): number {
  let count = 0;
  for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) count++;
  return count;
}

function broken(reason: string): RowBody {
  return { kind: 'broken', reason };
}
