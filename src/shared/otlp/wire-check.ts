import { isUtf8 } from 'node:buffer';
import protobuf from 'protobufjs';
import type { OtlpTypes } from './messages.ts';
import { SIGNALS, type Signal } from './signal.ts';
import {
  FIXED64,
  LENGTH_DELIMITED,
  MAX_VARINT_BYTES,
  MalformedProtobufError,
  WireReader,
} from './wire-reader.ts';

/**
 * Whether a request is OTLP all the way down, without decoding it: every message that a store will decode is walked,
 * every string is UTF-8. Refused here, a malformed request costs its own sender a 400; found by a shard, it would
 * cost everybody whose data shares its batch.
 *
 * @returns what is wrong and where, or `undefined`
 */
export type WireCheck = (signal: Signal, request: Buffer) => string | undefined;

/** What the content of a length-delimited field is, by field number; anything not listed is not looked into. */
type Shape = readonly (Content | undefined)[];
type Content =
  | { readonly kind: 'message'; readonly shape: Shape }
  | { readonly kind: 'string' }
  | { readonly kind: 'packed varints' }
  | { readonly kind: 'packed fixed64' };

/** Attribute values nest; protobuf decoders give up at about a hundred levels. */
const MAX_DEPTH = 64;

export function createWireCheck(types: OtlpTypes): WireCheck {
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
  const requests = new Map(SIGNALS.map(signal => [signal, shapeOf(types.request(signal))]));
  return (signal, request) => {
    const shape = requests.get(signal) as Shape;
    try {
      new Walk(request).message(shape, 0, request.length, 0);
      return undefined;
    } catch (error) {
      if (error instanceof MalformedProtobufError) return error.message;
      throw error;
    }
  };
}

function contentOf(field: protobuf.Field, shapeOf: (type: protobuf.Type) => Shape): Content | undefined {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Type) return { kind: 'message', shape: shapeOf(resolvedType) };
  if (field.type === 'string') return { kind: 'string' };
  if (!field.repeated) return undefined;
  return { kind: field.type === 'fixed64' || field.type === 'double' ? 'packed fixed64' : 'packed varints' };
}

/**
 * One walk over one request. It reads tags itself instead of making a `WireReader` for each of the some twenty
 * messages of a span, which halves its cost; whatever is not a plain field of a known message goes to the reader.
 */
class Walk {
  readonly #request: Buffer;

  constructor(request: Buffer) {
    this.#request = request;
  }

  message(shape: Shape, start: number, end: number, depth: number): void {
    if (depth > MAX_DEPTH)
      throw new MalformedProtobufError(`messages nested deeper than ${MAX_DEPTH}`, start);
    const request = this.#request;
    let at = start;
    while (at < end) {
      const tag = request[at] as number;
      const length = request[at + 1] as number;
      const valueEnd = at + 2 + length;
      // One-byte tags with one-byte lengths or eight-byte values: nearly every field of OTLP.
      if (tag >= 8 && tag < 0x80) {
        if ((tag & 7) === LENGTH_DELIMITED && length < 0x80 && valueEnd <= end) {
          this.#content(shape[tag >> 3], at + 2, valueEnd, depth);
          at = valueEnd;
          continue;
        }
        if ((tag & 7) === FIXED64 && at + 9 <= end) {
          at += 9;
          continue;
        }
      }
      const reader = new WireReader(request, at, end);
      reader.next();
      if (reader.wireType === LENGTH_DELIMITED) {
        this.#content(shape[reader.field], reader.valueStart, reader.fieldEnd, depth);
      }
      at = reader.fieldEnd;
    }
  }

  #content(content: Content | undefined, start: number, end: number, depth: number): void {
    if (content === undefined) return;
    switch (content.kind) {
      case 'message':
        this.message(content.shape, start, end, depth + 1);
        break;
      case 'string':
        checkUtf8(this.#request, start, end);
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
        content satisfies never;
    }
  }
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

/** Nearly all strings are ASCII and short, where a loop beats the call. */
function checkUtf8(request: Buffer, start: number, end: number): void {
  for (let at = start; at < end; at++) {
    if ((request[at] as number) < 0x80) continue;
    if (!isUtf8(request.subarray(start, end))) throw new MalformedProtobufError('string is not UTF-8', start);
    return;
  }
}
