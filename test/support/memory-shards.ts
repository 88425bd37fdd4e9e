import { compareKeys, type KeyOrder } from '../../src/query/merge/key-order.ts';
import type { RowsOptions } from '../../src/query/rows/run-rows.ts';
import type { CallOutcome } from '../../src/query/shard-call.ts';
import type { RowStream } from '../../src/query/shard-reader.ts';
import { rowLine, trailerLine } from '../../src/shared/read/ndjson.ts';
import { piecesOf } from './pieces.ts';

export interface MemoryRow {
  readonly key: readonly string[];
  readonly json: string;
}

/** What goes wrong with one shard, and after how many bytes of its answer. */
export type MemoryFault =
  | { readonly kind: 'refuses' | 'answers once' }
  | { readonly kind: 'breaks' | 'ends' | 'garbles'; readonly afterBytes: number };

export interface MemoryShard {
  readonly id: string;
  readonly rows: readonly MemoryRow[];
  readonly fault?: MemoryFault | undefined;
  /** Most rows of one answer. */
  readonly maxRows?: number;
  readonly chunkBytes?: number;
}

interface PageRequest {
  readonly limit?: number;
  readonly startAt?: readonly string[];
}

/** Sorted as a shard sorts: by key, and rows of equal key by what they say. */
export function sortRows(rows: readonly MemoryRow[], order: KeyOrder): MemoryRow[] {
  return rows.toSorted(
    (a, b) => compareKeys(a.key, b.key, order) || Buffer.compare(Buffer.from(b.json), Buffer.from(a.json)),
  );
}

/** A client of shards that answer from memory, in chunks of any size, well or badly. */
export function memoryClient(shards: readonly MemoryShard[], order: KeyOrder): RowsOptions['reader'] {
  const asked = new Set<string>();
  return {
    rows({ id }, { request, asOf = '7' }): Promise<CallOutcome<RowStream>> {
      const shard = shards.find(each => each.id === id) as MemoryShard;
      const isRefused =
        shard.fault?.kind === 'refuses' || (shard.fault?.kind === 'answers once' && asked.has(id));
      asked.add(id);
      if (isRefused) return Promise.resolve({ kind: 'failed', reason: 'refused' });
      const bytes = Buffer.from(answerTo(shard, request as PageRequest, { order, asOf }));
      return Promise.resolve({
        kind: 'answered',
        value: { asOf, body: piecesOf(chunks(shard, bytes)) },
      });
    },
  };
}

function answerTo(
  { rows, maxRows = Number.POSITIVE_INFINITY }: MemoryShard,
  { limit = Number.POSITIVE_INFINITY, startAt }: PageRequest,
  { order, asOf }: { readonly order: KeyOrder; readonly asOf: string },
): string {
  const wanted = rows
    .filter(({ key }) => startAt === undefined || compareKeys(key, startAt, order) >= 0)
    .slice(0, limit);
  const given = wanted.slice(0, maxRows);
  const lines = given.map(({ key, json }) => rowLine(key, json)).join('');
  return lines + trailerLine({ rows: given.length, asOf, truncated: given.length < wanted.length });
}

async function* chunks({ fault, chunkBytes = 64 }: MemoryShard, bytes: Buffer): AsyncGenerator<Buffer> {
  const afterBytes = fault !== undefined && 'afterBytes' in fault ? fault.afterBytes : bytes.length;
  const sound = bytes.subarray(0, afterBytes);
  for (let at = 0; at < sound.length; at += chunkBytes) {
    yield await Promise.resolve(sound.subarray(at, at + chunkBytes));
  }
  if (fault?.kind === 'breaks') throw new Error('the connection broke');
  if (fault?.kind === 'garbles') yield Buffer.from('\ngarbage\n');
}
