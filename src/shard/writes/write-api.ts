import { z } from 'zod';
import type { OtlpTypes } from '../../shared/otlp/messages.ts';
import { SHARD_WRITES, type ShardWrite, type ShardWriteKind } from '../../shared/read/writes.ts';
import type { Decode } from '../decode/decoder.ts';
import { commentRowJson } from '../rows/comment-row.ts';
import { METRIC_ROWS } from '../rows/metric-row.ts';
import { SPAN_ROWS } from '../rows/span-row.ts';
import type { Database } from '../store/database.ts';
import { type KeptAnswer, keptAnswer } from '../store/kept-answers.ts';
import { type CommentRecord, emptyRecords, type Records, type Rows } from '../store/tables.ts';
import type { NotStored, Writer } from '../store/writer.ts';
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
  /** Something else was stored under the same id. */
  | { readonly kind: 'conflict' }
  /** Written again, it is stored once. */
  | NotStored;

export interface WriteApi {
  write(call: WriteCall): Promise<WriteAnswer>;
}

export interface WriteApiDeps {
  readonly types: OtlpTypes;
  readonly decode: Decode;
  readonly writer: Pick<Writer, 'write'>;
  readonly database: Pick<Database, 'connect'>;
}

/**
 * Stores what users write through the read API, with the one writer that stores OTLP. A write's id is its batch's, so
 * that a repeat stores nothing. What the proxy sends once more is the same to the byte, and so is its answer, which
 * follows from the write alone. What a client repeats under its key comes with other times: its answer is the kept one.
 */
export function createWriteApi(deps: WriteApiDeps): WriteApi {
  const { writer, database } = deps;
  return {
    async write(call) {
      const { records, rowJson } = recordsOf(call, deps);
      const { fingerprint } = call.write;
      // A batch id has no slash: no batch can be taken for a write.
      const id = `${call.kind}/${call.write.id}`;
      const answer = fingerprint === undefined ? undefined : { fingerprint, answer: rowJson };
      const outcome = await writer.write({ id, slices: [{ exportId: undefined, records }], answer });
      if (outcome.kind !== 'stored') return outcome;
      const isRepeat = outcome.commitNo === undefined;
      const kept = answer !== undefined && isRepeat ? await keptIn(database, id) : undefined;
      if (kept === undefined) return { kind: 'stored', rowJson };
      return kept.fingerprint === fingerprint
        ? { kind: 'stored', rowJson: kept.answer }
        : { kind: 'conflict' };
    },
  };
}

async function keptIn(database: WriteApiDeps['database'], id: string): Promise<KeptAnswer | undefined> {
  const connection = await database.connect();
  try {
    return await keptAnswer(connection, id);
  } finally {
    connection.closeSync();
  }
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
