import type protobuf from 'protobufjs';
import type { OtlpTypes } from '../../shared/otlp/messages.ts';
import { SIGNALS, type Signal } from '../../shared/otlp/signal.ts';
import { MalformedProtobufError } from '../../shared/otlp/wire-reader.ts';
import { RangeWriter, type SliceBuilder } from './envelope.ts';
import { type Ranges, rangesSize } from './ranges.ts';
import { createRecordReader } from './shard-keys.ts';
import {
  GROUPS_FIELD,
  type KeySampler,
  RECORDS_FIELD,
  SCOPES_FIELD,
  type Shapes,
  Splitter,
  TooManyRecordsError,
} from './splitter.ts';
import { createShapes } from './wire-walk.ts';

/**
 * Splits one OTLP request by shard, on the wire: it is walked once, all the way down, so that whatever a store could
 * not decode is refused here; on the way the shard key of each record is read, and byte ranges are copied under the
 * envelopes they came in. Nothing is decoded, so unknown fields survive and a span costs well under a microsecond.
 */
export type Partition = (input: PartitionInput) => PartitionOutcome;

export interface Slice {
  /** Index of the owner, as `shardOf` gave it. */
  readonly shard: number;
  /** A valid OTLP request of its own; several of them concatenated are one, too. */
  readonly bytes: Buffer;
  /** Spans, log records or data points. */
  readonly records: number;
}

export type PartitionOutcome =
  | {
      readonly kind: 'partitioned';
      /** What the slices are views of, as `allocate` gave it. */
      readonly memory: Buffer;
      /** One per shard that owns records, by shard index. */
      readonly slices: readonly Slice[];
      /** Records that no store can keep. */
      readonly rejected: number;
      /** The reasons for those, joined; empty when there are none. */
      readonly rejectedBecause: string;
    }
  | { readonly kind: 'malformed'; readonly reason: string }
  /** More records than `MAX_RECORDS`, or so many envelopes inside one another. */
  | { readonly kind: 'too many records' }
  /** `allocate` had no room for slices of this size. */
  | { readonly kind: 'no room'; readonly sizeBytes: number };

interface PartitionInput {
  readonly signal: Signal;
  readonly request: Buffer;
  /** Owner of a shard key. Called with bytes of `request`, which it must not keep. */
  readonly shardOf: (key: Uint8Array) => number;
  /** Room for the slices, or `undefined`: each has its envelopes, so together they may be many times the request. */
  readonly allocate?: (sizeBytes: number) => Buffer | undefined;
  readonly sampler?: KeySampler;
}

export function createPartition(types: OtlpTypes): Partition {
  const shapes = new Map(SIGNALS.map(signal => [signal, shapesOf(types.request(signal))]));
  return input => {
    try {
      return split(input, shapes.get(input.signal) as Shapes);
    } catch (error) {
      if (error instanceof MalformedProtobufError) {
        return { kind: 'malformed', reason: `body is not an OTLP ${input.signal} request: ${error.message}` };
      }
      if (error instanceof TooManyRecordsError) return { kind: 'too many records' };
      throw error;
    }
  };
}

function shapesOf(request: protobuf.Type): Shapes {
  const shapeOf = createShapes();
  const group = repeated(request, GROUPS_FIELD);
  const scope = repeated(group, SCOPES_FIELD);
  const record = repeated(scope, RECORDS_FIELD);
  return { request: shapeOf(request), group: shapeOf(group), scope: shapeOf(scope), record: shapeOf(record) };
}

function repeated(type: protobuf.Type, id: number): protobuf.Type {
  const { resolvedType } = type.fieldsById[id]?.resolve() ?? {};
  if (resolvedType === null || resolvedType === undefined || !('fieldsArray' in resolvedType))
    throw new Error(`field ${id} of ${type.name} is not a message`);
  return resolvedType;
}

function split(input: PartitionInput, shapes: Shapes): PartitionOutcome {
  const { signal, request, shardOf, sampler, allocate = Buffer.allocUnsafe } = input;
  const splitter = new Splitter(request, { shapes, sampler });
  const records = createRecordReader(signal, { request, walk: splitter.walk, shape: shapes.record, shardOf });
  const extras = splitter.split(records);
  const sizeBytes = sizeOf(splitter.builders, extras);
  const memory = allocate(sizeBytes);
  if (memory === undefined) return { kind: 'no room', sizeBytes };
  const writer = new RangeWriter(request, memory);
  return {
    kind: 'partitioned',
    memory,
    slices: write(writer, splitter.builders, extras),
    ...summary(splitter.reasons),
  };
}

function sizeOf(builders: readonly SliceBuilder[], extras: Readonly<Ranges>): number {
  let sizeBytes = 0;
  const extraBytes = rangesSize(extras);
  builders.forEach(builder => {
    sizeBytes += extraBytes + builder.measure();
  });
  return sizeBytes;
}

/** All slices in one buffer: with many shards, one for each would cost more than its content. */
function write(writer: RangeWriter, builders: readonly SliceBuilder[], extras: Readonly<Ranges>): Slice[] {
  const slices: Slice[] = [];
  builders.forEach((builder, shard) => {
    const start = writer.at;
    writer.copy(extras);
    builder.write(writer);
    slices.push({ shard, bytes: writer.bytes.subarray(start, writer.at), records: builder.records });
  });
  return slices;
}

function summary(reasons: ReadonlyMap<string, number>): { rejected: number; rejectedBecause: string } {
  let rejected = 0;
  const texts: string[] = [];
  for (const [reason, count] of reasons) {
    rejected += count;
    texts.push(`${count} × ${reason}`);
  }
  return { rejected, rejectedBecause: texts.join('; ') };
}
