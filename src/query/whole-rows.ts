import type { Trailer } from '../shared/read/contract.ts';
import { parseRawRow } from '../shared/read/ndjson.ts';
import { isSameKey } from './merge/k-way.ts';
import { MALFORMED_ROW, type RowPart } from './merge/row-part.ts';
import type { ShardQuery } from './reads/read.ts';
import { cutReason } from './row-body.ts';
import type { CallOutcome } from './shard-call.ts';
import type { SnapshotReads, SnapshotRows } from './shard-reader.ts';

type Ask = (reads: SnapshotReads) => Promise<CallOutcome<SnapshotRows>>;

/**
 * Asks a shard until it has given all rows that were asked for: where it ends an answer at a bound of its own, for the
 * rest, at the same commit. What stays cut are reads that cannot begin in the middle, and rows of which the shard has
 * no room for the next one. Each answer is within the bounds of one; how large they may be together, and how long that
 * may take, is for the caller to bound.
 */
export async function askToEnd(ask: Ask, reads: SnapshotReads): Promise<CallOutcome<SnapshotRows>> {
  const first = await ask(reads);
  if (first.kind !== 'cut') return first;
  const { asOf } = first.value;
  const parts = [...first.value.parts];
  const rows = [...first.value.rows];
  const cuts = [...first.value.cuts];
  for (const [index, read] of reads.reads.entries()) {
    if (cuts[index] === undefined || !canBeginInTheMiddle(read)) continue;
    const begun = { part: parts[index] as RowPart, rows: rows[index] as number, cut: cuts[index] };
    const whole = await goOn(ask, { read, asOf, begun });
    if (whole.kind !== 'rows') return whole;
    parts[index] = whole.part;
    rows[index] = whole.rows;
    cuts[index] = whole.cut;
  }
  const value = { asOf, parts, rows, cuts };
  const cutAt = cuts.findIndex(cut => cut !== undefined);
  if (cutAt < 0) return { kind: 'answered', value };
  return { kind: 'cut', value, reason: cutReason({ ...cuts[cutAt], rows: rows[cutAt] as number }) };
}

type PagedRead = Extract<
  ShardQuery,
  { readonly name: 'spans' | 'logs' | 'metrics' | 'comments' | 'traceIds' }
>;

const PAGED: ReadonlySet<string> = new Set<PagedRead['name']>([
  'spans',
  'logs',
  'metrics',
  'comments',
  'traceIds',
]);

/** Whether the rest of its rows can be asked for. */
export function canBeginInTheMiddle(read: ShardQuery): read is PagedRead {
  return PAGED.has(read.name);
}

/** What a shard has given of one read. */
interface Given {
  readonly part: RowPart;
  readonly rows: number;
  readonly cut: Pick<Trailer, 'truncatedBy'> | undefined;
}

interface Going {
  readonly read: PagedRead;
  readonly asOf: string;
  readonly begun: Given;
}

type Whole =
  | ({ readonly kind: 'rows' } & Given)
  | Exclude<CallOutcome<SnapshotRows>, { readonly value: SnapshotRows }>;

async function goOn(ask: Ask, { read, asOf, begun }: Going): Promise<Whole> {
  const pieces = [begun.part.lines];
  let { rows, cut } = begun;
  while (cut !== undefined) {
    const last = lastRowsOf(pieces);
    if (last === 'none') break;
    if (last === 'malformed') return { kind: 'failed', reason: MALFORMED_ROW };
    // The rest begins with all rows of that key.
    const limit = read.request.limit - rows + last.count;
    const query = { ...read, request: { ...read.request, startAt: last.key, limit } } as ShardQuery;
    const outcome = await ask({ asOf, reads: [query] });
    if (!('value' in outcome)) return outcome;
    const more = withoutFirst(outcome.value, last);
    if (more === 'malformed') return { kind: 'failed', reason: MALFORMED_ROW };
    [cut] = outcome.value.cuts;
    if (more.rows === 0) break;
    pieces.push(more.lines);
    rows += more.rows;
  }
  return { kind: 'rows', part: { ...begun.part, lines: Buffer.concat(pieces) }, rows, cut };
}

/** Rows of one key. */
interface RowsOfKey {
  readonly key: readonly string[];
  readonly count: number;
}

const NEWLINE = 0x0a;

/** The last row of all, and how many rows before it have its key, itself included. */
function lastRowsOf(pieces: readonly Buffer[]): RowsOfKey | 'none' | 'malformed' {
  let key: readonly string[] | undefined;
  let count = 0;
  for (const lines of pieces.toReversed()) {
    for (let end = lines.length - 1; end >= 0; ) {
      const start = end === 0 ? 0 : lines.lastIndexOf(NEWLINE, end - 1) + 1;
      const ofRow = keyOf(lines.subarray(start, end));
      if (ofRow === undefined) return 'malformed';
      if (key !== undefined && !isSameKey(key, ofRow)) return { key, count };
      key = ofRow;
      count++;
      end = start - 1;
    }
  }
  return key === undefined ? 'none' : { key, count };
}

/** The rows of an answer without those of the key at its start, as far as they were given before. */
function withoutFirst(
  { parts, rows }: SnapshotRows,
  { key, count }: RowsOfKey,
): { readonly lines: Buffer; readonly rows: number } | 'malformed' {
  const lines = parts[0]?.lines ?? Buffer.alloc(0);
  let start = 0;
  let passedOver = 0;
  while (passedOver < count && start < lines.length) {
    const end = lines.indexOf(NEWLINE, start);
    const ofRow = keyOf(lines.subarray(start, end));
    if (ofRow === undefined) return 'malformed';
    if (!isSameKey(key, ofRow)) break;
    passedOver++;
    start = end + 1;
  }
  return { lines: lines.subarray(start), rows: (rows[0] ?? 0) - passedOver };
}

function keyOf(line: Buffer): readonly string[] | undefined {
  try {
    return parseRawRow(line).key;
  } catch {
    return undefined;
  }
}
