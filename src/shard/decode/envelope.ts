import { isUtf8 } from 'node:buffer';
import { LENGTH_DELIMITED, MalformedProtobufError, WireReader } from '../../shared/otlp/wire-reader.ts';
import type { Steps } from './steps.ts';
import type { EnvelopeBytes, Surroundings, SurroundingsCache } from './surroundings.ts';

/** Takes the record in `[start, end)` of the request: at once, or in the steps that it returns. */
export type RecordVisitor = (
  start: number,
  end: number,
  surroundings: Surroundings,
) => Steps<unknown> | undefined;

/** Records, and what is around them, from one step to the next: some hundredths of a millisecond of them, or tenths. */
const VISITS_PER_STEP = 16;

/**
 * Visits every record of a request, some at each step: `ResourceSpans`, `ResourceLogs` and `ResourceMetrics` have the
 * same fields, and so have their scopes. Throws on bytes that are no protobuf.
 */
export function* visitRecords(request: Buffer, cache: SurroundingsCache, visit: RecordVisitor): Steps<void> {
  let visited = 0;
  const reader = new WireReader(request);
  while (reader.next()) {
    if (reader.field !== 1 || reader.wireType !== LENGTH_DELIMITED) continue;
    if (++visited % VISITS_PER_STEP === 0) yield;
    const group = readGroup(request, reader.valueStart, reader.fieldEnd);
    // Looked at, too, when it has nothing: what is malformed is refused.
    if (group.ranges.length === 0) cache.of(envelopeOf(group, NO_GROUP));
    for (let at = 0; at < group.ranges.length; at += 2) {
      if (++visited % VISITS_PER_STEP === 0) yield;
      const inScope = readGroup(request, group.ranges[at] as number, group.ranges[at + 1] as number);
      const surroundings = cache.of(envelopeOf(group, inScope));
      const { ranges } = inScope;
      for (let record = 0; record < ranges.length; record += 2) {
        const steps = visit(ranges[record] as number, ranges[record + 1] as number, surroundings);
        if (steps !== undefined) yield* steps;
        if (++visited % VISITS_PER_STEP === 0) yield;
      }
    }
  }
}

interface Group {
  /** Field 1, the resource or the scope. Sent in parts it is one message: their bytes one after the other. */
  readonly singular: Buffer | undefined;
  /** Field 2: start and end of each, in turn. */
  readonly ranges: readonly number[];
  /** Field 3, in UTF-8. */
  readonly schemaUrl: Buffer;
}

function envelopeOf(inResource: Group, inScope: Group): EnvelopeBytes {
  return {
    resource: inResource.singular,
    resourceSchemaUrl: inResource.schemaUrl,
    scope: inScope.singular,
    scopeSchemaUrl: inScope.schemaUrl,
  };
}

function readGroup(request: Buffer, start: number, end: number): Group {
  const reader = new WireReader(request, start, end);
  let singular: Buffer | undefined;
  let schemaUrl: Buffer = NOTHING;
  const ranges: number[] = [];
  while (reader.next()) {
    if (reader.wireType !== LENGTH_DELIMITED) continue;
    const { valueStart, fieldEnd } = reader;
    if (reader.field === 2) {
      ranges.push(valueStart, fieldEnd);
    } else if (reader.field === 1) {
      const part = request.subarray(valueStart, fieldEnd);
      singular = singular === undefined ? part : joined(singular, part);
    } else if (reader.field === 3) {
      schemaUrl = request.subarray(valueStart, fieldEnd);
      if (!isUtf8(schemaUrl)) throw new MalformedProtobufError('string is not UTF-8', valueStart);
    }
  }
  return { singular, ranges, schemaUrl };
}

/** Each part has to be a message of its own: a field that goes on in the next one is malformed. */
function joined(message: Buffer, part: Buffer): Buffer {
  checkFields(message);
  checkFields(part);
  return Buffer.concat([message, part]);
}

function checkFields(message: Buffer): void {
  const reader = new WireReader(message);
  while (reader.next());
}

const NOTHING = Buffer.alloc(0);
const NO_GROUP: Group = { singular: undefined, ranges: [], schemaUrl: NOTHING };
