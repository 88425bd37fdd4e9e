import type { Signal } from '../../shared/otlp/signal.ts';
import { LENGTH_DELIMITED, MalformedProtobufError, WireReader } from '../../shared/otlp/wire-reader.ts';
import { SliceBuilder } from './envelope.ts';
import { addRange, type Ranges } from './ranges.ts';
import { KEY_READERS } from './shard-keys.ts';

/**
 * Splits one OTLP request by shard, on the wire: tags are walked down to the shard key of each record, and byte
 * ranges are copied under the envelopes they came in. Nothing is decoded, so unknown fields survive and a span
 * costs well under a microsecond.
 */
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
}

export function partition(input: PartitionInput): PartitionOutcome {
  try {
    return split(input);
  } catch (error) {
    if (error instanceof MalformedProtobufError) {
      return { kind: 'malformed', reason: `body is not an OTLP ${input.signal} request: ${error.message}` };
    }
    if (error instanceof TooManyRecordsError) return { kind: 'too many records' };
    throw error;
  }
}

function split({ signal, request, shardOf }: PartitionInput): PartitionOutcome {
  const keyOf = KEY_READERS[signal];
  const builders: SliceBuilder[] = [];
  const reasons = new Map<string, number>();
  let records = 0;
  const top = separate(request, { start: 0, end: request.length, repeated: 1 });
  for (const groupRange of pairs(top.repeated)) {
    const group = separate(request, { ...groupRange, repeated: 2 });
    for (const scopeRange of pairs(group.repeated)) {
      const scope = separate(request, { ...scopeRange, repeated: 2 });
      for (let i = 0; i < scope.repeated.length; i += 2) {
        const start = scope.repeated[i] as number;
        const end = scope.repeated[i + 1] as number;
        const key = keyOf(request, { start, end }, group.envelope);
        records += Math.max(1, key.count);
        if (records > MAX_RECORDS) throw new TooManyRecordsError();
        if (key.kind === 'rejected') {
          reasons.set(key.reason, (reasons.get(key.reason) ?? 0) + key.count);
          continue;
        }
        const shard = shardOf(key.bytes);
        const builder = builders[shard] ?? new SliceBuilder();
        builders[shard] = builder;
        builder.add(group.envelope, scope.envelope, {
          start: scope.starts[i / 2] as number,
          end,
          count: key.count,
        });
      }
    }
  }
  const slices: Slice[] = [];
  builders.forEach((builder, shard) => {
    slices.push({ shard, bytes: builder.build(request, top.envelope), records: builder.records });
  });
  return { kind: 'partitioned', slices, ...summary(reasons) };
}

interface Separated {
  /** Everything but the repeated field, with tags. */
  readonly envelope: Ranges;
  /** Contents of the repeated field, one range each. */
  readonly repeated: number[];
  /** Where each of those begins with its tag. */
  readonly starts: number[];
}

function separate(request: Buffer, message: { start: number; end: number; repeated: number }): Separated {
  const separated: Separated = { envelope: [], repeated: [], starts: [] };
  const reader = new WireReader(request, message.start, message.end);
  while (reader.next()) {
    if (reader.field === message.repeated && reader.wireType === LENGTH_DELIMITED) {
      separated.repeated.push(reader.valueStart, reader.fieldEnd);
      separated.starts.push(reader.fieldStart);
      if (separated.starts.length > MAX_RECORDS) throw new TooManyRecordsError();
    } else {
      addRange(separated.envelope, reader.fieldStart, reader.fieldEnd);
    }
  }
  return separated;
}

function* pairs(flat: readonly number[]): Generator<{ start: number; end: number }> {
  for (let i = 0; i < flat.length; i += 2) yield { start: flat[i] as number, end: flat[i + 1] as number };
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
