import { LENGTH_DELIMITED } from '../../shared/otlp/wire-reader.ts';
import { SliceBuilder } from './envelope.ts';
import { addRange, type Ranges } from './ranges.ts';
import { REJECTED, type RecordReader, type ShardKey } from './shard-keys.ts';
import { type Shape, WireWalk } from './wire-walk.ts';

/**
 * A record may take two bytes here and a kilobyte where it is decoded, so the size of a request says little about
 * what it costs its shard. Twenty times what Collectors send at once, and stored within a second or two.
 */
export const MAX_RECORDS = 200_000;

export class TooManyRecordsError extends Error {}

export const GROUPS_FIELD = 1;
export const SCOPES_FIELD = 2;
export const RECORDS_FIELD = 2;

/** Sees the keys of a few records: looking at all of them would cost more than splitting. */
export interface KeySampler {
  /** Records until the next look; lasts from one request to the next, as most requests are smaller. */
  countdown: number;
  /** Told the key of a record, and its owner. Sets the countdown again. */
  look(key: ShardKey, shard: number): void;
}

/** What is found on each level of a request; all three signals have the same three. */
export interface Shapes {
  readonly request: Shape;
  readonly group: Shape;
  readonly scope: Shape;
  readonly record: Shape;
}

/** One pass over one request. */
export class Splitter {
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
