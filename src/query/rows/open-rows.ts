import type { Trailer } from '../../shared/read/contract.ts';
import { isTrailer, parseRawRow, parseTrailer, type RawRow } from '../../shared/read/ndjson.ts';
import { cutOffReason } from '../call-failure.ts';
import type { Pieces } from '../http-call.ts';
import { isSameKey } from '../merge/k-way.ts';
import { createKeyCheck, type KeyOrder } from '../merge/key-order.ts';
import { MALFORMED_ROW } from '../merge/row-part.ts';
import { createLineCutter } from './line-cutter.ts';

/** A place between two rows of a shard's answer. */
export interface RowPosition {
  readonly key: readonly string[];
  /** How many of the shard's rows with that very key come before it. */
  readonly given: number;
}

export interface OpenRowsOptions {
  readonly order: KeyOrder;
  readonly asOf: string;
  /** The answer begins with the first row that has this key; rows before the position are passed over. */
  readonly after: RowPosition | undefined;
}

interface Broken {
  readonly kind: 'broken';
  readonly reason: string;
}

/** One answer of a shard. An answer whose end is not the trailer that it needs is broken, however good its rows look. */
export interface OpenRows {
  /** The next row that has come; `undefined` when it must be read first, or when that was the last one. */
  next(): RawRow | Broken | undefined;
  /** To be called when there is no next row. */
  read(): Promise<{ readonly kind: 'more' } | { readonly kind: 'whole'; readonly trailer: Trailer } | Broken>;
  /** The rest is not needed. */
  letGo(): void;
  /** Rows that were given. */
  given(): number;
}

const MAX_ROW_BYTES = 64 * 1024 * 1024;

export function openRows(body: Pieces, { order, asOf, after }: OpenRowsOptions): OpenRows {
  const lines = createLineCutter();
  const faultOf = createKeyCheck(order);
  if (after !== undefined) faultOf(after.key);
  let toPassOver = after?.given ?? 0;
  let rows = 0;
  let given = 0;
  let trailer: Trailer | undefined;

  function rowOf(line: Buffer): RawRow | Broken {
    if (trailer !== undefined) return broken('sent more than its answer');
    const row = rawRowOf(line);
    if (row === undefined) return broken(MALFORMED_ROW);
    const fault = faultOf(row.key);
    return fault === undefined ? row : broken(fault);
  }

  function isPassedOver({ key }: RawRow): boolean {
    if (toPassOver > 0 && isSameKey(key, after?.key ?? [])) toPassOver--;
    else toPassOver = -1;
    return toPassOver >= 0;
  }

  function checkEnd() {
    if (trailer === undefined || lines.pendingBytes() > 0) return broken('answer ended without its trailer');
    if (trailer.asOf !== asOf) return broken('answered at two commits');
    if (trailer.rows === rows) return { kind: 'whole', trailer } as const;
    return broken(`answer has ${rows} rows but its trailer says ${trailer.rows}`);
  }

  return {
    next() {
      for (let line = lines.next(); line !== undefined; line = lines.next()) {
        if (trailer === undefined && isTrailer(line)) {
          trailer = trailerOf(line);
          if (trailer === undefined) return broken('sent a malformed trailer');
          continue;
        }
        const row = rowOf(line);
        if ('reason' in row) return row;
        rows++;
        if (isPassedOver(row)) continue;
        given++;
        return row;
      }
      return undefined;
    },
    async read() {
      const piece = await nextOf(body);
      if (piece === undefined) return checkEnd();
      if ('reason' in piece) return piece;
      lines.push(piece);
      if (lines.pendingBytes() <= MAX_ROW_BYTES) return { kind: 'more' };
      return broken(`sent a row of more than ${MAX_ROW_BYTES} bytes`);
    },
    letGo: body.letGo,
    given: () => given,
  };
}

function broken(reason: string): Broken {
  return { kind: 'broken', reason };
}

async function nextOf(body: Pieces): Promise<Buffer | Broken | undefined> {
  try {
    return await body.next();
  } catch (error) {
    return broken(cutOffReason(error));
  }
}

function rawRowOf(line: Buffer): RawRow | undefined {
  try {
    return parseRawRow(line);
  } catch {
    return undefined;
  }
}

function trailerOf(line: Buffer): Trailer | undefined {
  try {
    return parseTrailer(line.toString()) ?? undefined;
  } catch {
    return undefined;
  }
}
