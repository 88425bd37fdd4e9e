import type protobuf from 'protobufjs';
import type { OtlpTypes } from '../../shared/otlp/messages.ts';
import { SIGNALS, type Signal } from '../../shared/otlp/signal.ts';
import { LENGTH_DELIMITED, MalformedProtobufError } from '../../shared/otlp/wire-reader.ts';
import { RangeWriter, SliceBuilder } from './envelope.ts';
import { addRange, type Ranges, rangesSize } from './ranges.ts';
import { createRecordReader, REJECTED, type RecordReader, type ShardKey } from './shard-keys.ts';
import { createShapes, type Shape, WireWalk } from './wire-walk.ts';

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
      /** One per shard that owns records, by shard index. */
      readonly slices: readonly Slice[];
      /** Records that no store can keep. */
      readonly rejected: number;
      /** The reasons for those, joined; empty when there are none. */
      readonly rejectedBecause: string;
    }
  | { readonly kind: 'malformed'; readonly reason: string }
  /** More than {@link MAX_RECORDS} records, or envelopes inside one another. */
  | { readonly kind: 'too many records' };

/**
 * A record may take two bytes here and a kilobyte where it is decoded, so the size of a request says little about
 * what it costs its shard. Twenty times what Collectors send at once, and stored within a second or two.
 */
export const MAX_RECORDS = 200_000;

class TooManyRecordsError extends Error {}

interface PartitionInput {
  readonly signal: Signal;
  readonly request: Buffer;
  /** Owner of a shard key. Called with bytes of `request`, which it must not keep. */
  readonly shardOf: (key: Uint8Array) => number;
  readonly sampler?: KeySampler;
}

/** Sees the keys of a few records: looking at all of them would cost more than splitting. */
export interface KeySampler {
  /** Records until the next look; lasts from one request to the next, as most requests are smaller. */
  countdown: number;
  /** Told the key of a record, and its owner. Sets the countdown again. */
  look(key: ShardKey, shard: number): void;
}

/** What is found on each level of a request; all three signals have the same three. */
interface Shapes {
  readonly request: Shape;
  readonly group: Shape;
  readonly scope: Shape;
  readonly record: Shape;
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

const GROUPS_FIELD = 1;
const SCOPES_FIELD = 2;
const RECORDS_FIELD = 2;

function split({ signal, request, shardOf, sampler }: PartitionInput, shapes: Shapes): PartitionOutcome {
  const splitter = new Splitter(request, { shapes, sampler });
  const records = createRecordReader(signal, { request, walk: splitter.walk, shape: shapes.record, shardOf });
  const extras = splitter.split(records);
  return {
    kind: 'partitioned',
    slices: write(request, splitter.builders, extras),
    ...summary(splitter.reasons),
  };
}

/** All slices in one buffer: with many shards, one for each would cost more than its content. */
function write(request: Buffer, builders: readonly SliceBuilder[], extras: Readonly<Ranges>): Slice[] {
  let sizeBytes = 0;
  const extraBytes = rangesSize(extras);
  builders.forEach(builder => {
    sizeBytes += extraBytes + builder.measure();
  });
  const writer = new RangeWriter(request, sizeBytes);
  const slices: Slice[] = [];
  builders.forEach((builder, shard) => {
    const start = writer.at;
    writer.copy(extras);
    builder.write(writer);
    slices.push({ shard, bytes: writer.bytes.subarray(start, writer.at), records: builder.records });
  });
  return slices;
}

/** One pass over one request. */
class Splitter {
  readonly walk: WireWalk;
  /** By shard index; sparse. */
  readonly builders: SliceBuilder[] = [];
  /** How many records were rejected, by reason. */
  readonly reasons = new Map<string, number>();
  readonly #shapes: Shapes;
  readonly #sampler: KeySampler | undefined;
  readonly #end: number;
  #records = 0;

  constructor(request: Buffer, { shapes, sampler }: { shapes: Shapes; sampler: KeySampler | undefined }) {
    this.walk = new WireWalk(request);
    this.#shapes = shapes;
    this.#sampler = sampler;
    this.#end = request.length;
  }

  /** Returns the ranges of the request outside any group. */
  split(records: RecordReader): Ranges {
    const top = this.#separate(this.#shapes.request, {
      start: 0,
      end: this.#end,
      repeated: GROUPS_FIELD,
      depth: 0,
    });
    for (let i = 0; i < top.repeated.length; i += 2) {
      const group = this.#separate(this.#shapes.group, {
        start: top.repeated[i] as number,
        end: top.repeated[i + 1] as number,
        repeated: SCOPES_FIELD,
        depth: 1,
      });
      for (let j = 0; j < group.repeated.length; j += 2) {
        this.#splitScope(
          records,
          group.repeated[j] as number,
          group.repeated[j + 1] as number,
          group.envelope,
        );
      }
    }
    return top.envelope;
  }

  /** The envelope of a scope may go on after its records, so it is complete only once all of them were read. */
  #splitScope(records: RecordReader, start: number, end: number, group: Readonly<Ranges>): void {
    const { walk, builders } = this;
    const { reader } = walk;
    const sampler = this.#sampler;
    const scope: Ranges = [];
    for (let at = start; at < end; ) {
      reader.read(at, end);
      const { fieldStart, valueStart, fieldEnd } = reader;
      at = fieldEnd;
      if (reader.wireType !== LENGTH_DELIMITED || reader.field !== RECORDS_FIELD) {
        addRange(scope, fieldStart, fieldEnd);
        if (reader.wireType === LENGTH_DELIMITED) walk.content(this.#shapes.scope, 2);
        continue;
      }
      const shard = records.read(valueStart, fieldEnd, group);
      this.#count(Math.max(1, records.count));
      if (shard === REJECTED) {
        this.reasons.set(records.reason, (this.reasons.get(records.reason) ?? 0) + records.count);
        continue;
      }
      let builder = builders[shard];
      if (builder === undefined) {
        builder = new SliceBuilder();
        builders[shard] = builder;
      }
      builder.add(group, scope, fieldStart, fieldEnd, records.count);
      if (sampler === undefined) continue;
      sampler.countdown -= records.count;
      if (sampler.countdown <= 0) sampler.look(records.key(), shard);
    }
  }

  /** Takes a message apart and checks what is not the repeated field. */
  #separate(
    shape: Shape,
    { start, end, repeated, depth }: { start: number; end: number; repeated: number; depth: number },
  ): Separated {
    const separated: Separated = { envelope: [], repeated: [] };
    const { reader } = this.walk;
    for (let at = start; at < end; ) {
      reader.read(at, end);
      at = reader.fieldEnd;
      if (reader.field === repeated && reader.wireType === LENGTH_DELIMITED) {
        separated.repeated.push(reader.valueStart, reader.fieldEnd);
        this.#count(0, separated.repeated.length / 2);
      } else {
        addRange(separated.envelope, reader.fieldStart, at);
        if (reader.wireType === LENGTH_DELIMITED) this.walk.content(shape, depth);
      }
    }
    return separated;
  }

  #count(records: number, envelopes = 0): void {
    this.#records += records;
    if (this.#records > MAX_RECORDS || envelopes > MAX_RECORDS) throw new TooManyRecordsError();
  }
}

interface Separated {
  /** Everything but the repeated field, with tags. */
  readonly envelope: Ranges;
  /** Contents of the repeated field, one range each. */
  readonly repeated: Ranges;
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
