import { isUtf8 } from 'node:buffer';
import protobuf from 'protobufjs';
import {
  LENGTH_DELIMITED,
  MAX_VARINT_BYTES,
  MalformedProtobufError,
  WireReader,
} from '../../shared/otlp/wire-reader.ts';

/** What the content of a length-delimited field is, by field number; anything not listed is not looked into. */
export type Shape = readonly (Content | undefined)[];

/** Of one form whatever its kind, as it is looked at some twenty times for every span. */
interface Content {
  readonly kind: 'message' | 'string' | 'packed varints' | 'packed fixed64';
  /** Of a message; empty for the rest. */
  readonly shape: Shape;
}

/** Attribute values nest; protobuf decoders give up at about a hundred levels. */
const MAX_DEPTH = 64;

/** Messages up to this size are looked through for anything but ASCII as a whole, larger ones string by string. */
const MAX_SCANNED_BYTES = 1024;

/**
 * Whether messages are what a store will be able to decode, without decoding them: every message is walked all the
 * way down, every string is UTF-8. Found here, a malformed request costs its own sender a 400; found by a shard, it
 * would cost everybody whose data shares its batch.
 *
 * Throws {@link MalformedProtobufError} and nothing else.
 */
export class WireWalk {
  /** Shared by all levels, so what it says is read before going down. */
  readonly reader: WireReader;
  readonly #request: Buffer;
  readonly #view: DataView;

  constructor(request: Buffer) {
    this.#request = request;
    this.#view = new DataView(request.buffer, request.byteOffset, request.byteLength);
    this.reader = new WireReader(request);
  }

  /** Walks the content of the field that `reader` has just read, which belongs to a message of this shape. */
  content(shape: Shape, depth: number): void {
    const content = shape[this.reader.field];
    if (content !== undefined)
      this.#content(content, this.reader.valueStart, this.reader.fieldEnd, depth, false);
  }

  /** In a message of nothing but ASCII bytes, its lengths included, no string needs a look of its own. */
  #fields(shape: Shape, start: number, end: number, depth: number, isAllAscii: boolean): void {
    if (depth > MAX_DEPTH)
      throw new MalformedProtobufError(`messages nested deeper than ${MAX_DEPTH}`, start);
    const request = this.#request;
    for (let at = start; at < end; ) {
      // What the reader does for most fields, without writing down what it found: this is half of the work of a span.
      const tag = request[at] as number;
      const length = request[at + 1] as number;
      let valueStart = at + 2;
      let fieldEnd = valueStart + length;
      let field = tag >> 3;
      // Past the end of the request `length` is undefined and `fieldEnd` no number, which is not at most `end` either.
      if ((tag & 0x87) !== LENGTH_DELIMITED || tag < 8 || length >= 0x80 || !(fieldEnd <= end)) {
        const { reader } = this;
        reader.read(at, end);
        at = reader.fieldEnd;
        if (reader.wireType !== LENGTH_DELIMITED) continue;
        ({ field, valueStart, fieldEnd } = reader);
      }
      at = fieldEnd;
      const content = shape[field];
      if (content === undefined || (isAllAscii && content.kind === 'string')) continue;
      this.#content(content, valueStart, fieldEnd, depth, isAllAscii);
    }
  }

  #content(content: Content, start: number, end: number, depth: number, isAllAscii: boolean): void {
    switch (content.kind) {
      case 'message': {
        const isAscii = isAllAscii || (end - start <= MAX_SCANNED_BYTES && this.#isAscii(start, end));
        this.#fields(content.shape, start, end, depth + 1, isAscii);
        break;
      }
      case 'string':
        if (!this.#isAscii(start, end) && !isUtf8(this.#request.subarray(start, end))) {
          throw new MalformedProtobufError('string is not UTF-8', start);
        }
        break;
      case 'packed varints':
        checkVarints(this.#request, start, end);
        break;
      case 'packed fixed64':
        if ((end - start) % 8 !== 0) {
          throw new MalformedProtobufError('packed field is not a multiple of 8 bytes', start);
        }
        break;
      default:
        content.kind satisfies never;
    }
  }

  /** Four bytes at a time; the last four overlap those before. */
  #isAscii(start: number, end: number): boolean {
    const last = end - 4;
    if (last < start) {
      for (let at = start; at < end; at++) if ((this.#request[at] as number) >= 0x80) return false;
      return true;
    }
    const view = this.#view;
    for (let at = start; at < last; at += 4) if ((view.getUint32(at) & 0x8080_8080) !== 0) return false;
    return (view.getUint32(last) & 0x8080_8080) === 0;
  }
}

/** The shape of a message type and of everything below it. */
export function createShapes(): (type: protobuf.Type) => Shape {
  const shapes = new Map<protobuf.Type, Shape>();
  const shapeOf = (type: protobuf.Type): Shape => {
    const known = shapes.get(type);
    if (known !== undefined) return known;
    // Entered before it is filled: attribute values contain themselves.
    const shape: (Content | undefined)[] = [];
    shapes.set(type, shape);
    for (const field of type.fieldsArray) shape[field.resolve().id] = contentOf(field, shapeOf);
    return shape;
  };
  return shapeOf;
}

function contentOf(field: protobuf.Field, shapeOf: (type: protobuf.Type) => Shape): Content | undefined {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Type) return { kind: 'message', shape: shapeOf(resolvedType) };
  if (field.type === 'string') return { kind: 'string', shape: [] };
  if (!field.repeated) return undefined;
  const isFixed = field.type === 'fixed64' || field.type === 'double';
  return { kind: isFixed ? 'packed fixed64' : 'packed varints', shape: [] };
}

function checkVarints(request: Buffer, start: number, end: number): void {
  let varintStart = start;
  for (let at = start; at < end; at++) {
    if ((request[at] as number) < 0x80) varintStart = at + 1;
    else if (at - varintStart >= MAX_VARINT_BYTES - 1) {
      throw new MalformedProtobufError('varint longer than 10 bytes', varintStart);
    }
  }
  if (varintStart !== end) throw new MalformedProtobufError('truncated varint', varintStart);
}
