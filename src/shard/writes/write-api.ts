import { z } from 'zod';
import type { OtlpTypes } from '../../shared/otlp/messages.ts';
import { SHARD_WRITES, type ShardWrite, type ShardWriteKind } from '../../shared/read/writes.ts';
import type { Decode } from '../decode/decoder.ts';
import { commentRowJson } from '../rows/comment-row.ts';
import { METRIC_ROWS } from '../rows/metric-row.ts';
import { SPAN_ROWS } from '../rows/span-row.ts';
import { type CommentRecord, emptyRecords, type Records, type Rows } from '../store/tables.ts';
import type { Writer } from '../store/writer.ts';
import { runnerSpanExport, scoreExport } from './eval-otlp.ts';

/** A write with its parsed body. */
type WriteCall = {
  [K in ShardWriteKind]: { readonly kind: K; readonly write: ShardWrite<K> };
}[ShardWriteKind];

type ParsedWrite =
  | WriteCall
  | { readonly kind: 'unknown' }
  | { readonly kind: 'invalid'; readonly reason: string };

export function parseWrite(kind: string, body: unknown): ParsedWrite {
  if (!Object.hasOwn(SHARD_WRITES, kind)) return { kind: 'unknown' };
  const parsed = SHARD_WRITES[kind as ShardWriteKind].safeParse(body);
  if (!parsed.success) return { kind: 'invalid', reason: z.prettifyError(parsed.error) };
  return { kind, write: parsed.data } as WriteCall;
}

type WriteAnswer =
  /** Durable; the row as the read API shows it. */
  | { readonly kind: 'stored'; readonly rowJson: string }
  /** Not known to be stored. Written again, it is stored once. */
  | { readonly kind: 'failed'; readonly reason: string };

export interface WriteApi {
  write(call: WriteCall): Promise<WriteAnswer>;
}

/**
 * Stores what users write through the read API, with the one writer that stores OTLP. A write's id is its batch's, so
 * that a repeat stores nothing; the answer follows from the write alone, so that it is the same for a repeat.
 */
export function createWriteApi(deps: { types: OtlpTypes; decode: Decode; writer: Writer }): WriteApi {
  return {
    async write(call) {
      const { records, rowJson } = recordsOf(call, deps);
      // A batch id has no slash: no batch can be taken for a write.
      const id = `${call.kind}/${call.write.id}`;
      const outcome = await deps.writer.write({ id, slices: [{ exportId: undefined, records }] });
      return outcome.kind === 'stored'
        ? { kind: 'stored', rowJson }
        : { kind: 'failed', reason: outcome.reason };
    },
  };
}

interface Storable {
  readonly records: Records;
  readonly rowJson: string;
}

function recordsOf(call: WriteCall, { types, decode }: { types: OtlpTypes; decode: Decode }): Storable {
  switch (call.kind) {
    case 'comment': {
      const comment = commentRecord(call.write);
      return { records: { ...emptyRecords(), comments: [comment] }, rowJson: commentRowJson(comment) };
    }
    case 'score': {
      const records = decoded(decode, scoreExport(types, call.write));
      return { records, rowJson: METRIC_ROWS.json(only(records.metrics)) };
    }
    case 'runnerSpan': {
      const records = decoded(decode, runnerSpanExport(types, call.write));
      const span = { ...only(records.spans), replaces: true };
      return { records: { ...records, spans: [span] }, rowJson: SPAN_ROWS.json(span) };
    }
  }
}

function commentRecord({
  id,
  traceId,
  spanId,
  author,
  body,
  createdNs,
}: ShardWrite<'comment'>): CommentRecord {
  return { id, traceId, spanId: spanId ?? null, author, body, createdNs: BigInt(createdNs) };
}

function decoded(decode: Decode, { signal, body }: ReturnType<typeof scoreExport>): Records {
  const result = decode(signal, body);
  if (result.kind === 'malformed') throw new Error(`made OTLP ${signal} that is malformed: ${result.reason}`);
  return result.records;
}

/** The one record that an eval write becomes; the schema has let nothing through that the decoder refuses. */
function only<T>(records: Rows<T>): T {
  const [record] = records;
  if (record === undefined || records.length > 1) throw new Error(`${records.length} records of one write`);
  return record;
}
