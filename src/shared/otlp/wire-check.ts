import { isUtf8 } from 'node:buffer';
import protobuf from 'protobufjs';
import type { OtlpTypes } from './messages.ts';
import { SIGNALS, type Signal } from './signal.ts';
import { LENGTH_DELIMITED, MalformedProtobufError, WireReader } from './wire-reader.ts';

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
  | { readonly kind: 'message'; readonly shape: () => Shape }
  | { readonly kind: 'string' }
  | { readonly kind: 'packed varints' }
  | { readonly kind: 'packed fixed64' };

/** Attribute values nest; protobuf decoders give up at about a hundred levels. */
const MAX_DEPTH = 64;

export function createWireCheck(types: OtlpTypes): WireCheck {
  const shapes = new Map<protobuf.Type, Shape>();
  const shapeOf = (type: protobuf.Type): Shape => {
    let shape = shapes.get(type);
    if (shape === undefined) {
      const contents: (Content | undefined)[] = [];
      for (const field of type.fieldsArray) contents[field.resolve().id] = contentOf(field, shapeOf);
      shape = contents;
      shapes.set(type, shape);
    }
    return shape;
  };
  const requests = new Map(SIGNALS.map(signal => [signal, shapeOf(types.request(signal))]));
  return (signal, request) => {
    const shape = requests.get(signal) as Shape;
    try {
      check(request, { shape, start: 0, end: request.length, depth: 0 });
      return undefined;
    } catch (error) {
      if (error instanceof MalformedProtobufError) return error.message;
      throw error;
    }
  };
}

function contentOf(field: protobuf.Field, shapeOf: (type: protobuf.Type) => Shape): Content | undefined {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Type) return { kind: 'message', shape: () => shapeOf(resolvedType) };
  if (field.type === 'string') return { kind: 'string' };
  if (!field.repeated) return undefined;
  return { kind: field.type === 'fixed64' || field.type === 'double' ? 'packed fixed64' : 'packed varints' };
}

interface Message {
  readonly shape: Shape;
  readonly start: number;
  readonly end: number;
  readonly depth: number;
}

function check(request: Buffer, { shape, start, end, depth }: Message): void {
  if (depth > MAX_DEPTH) throw new MalformedProtobufError(`messages nested deeper than ${MAX_DEPTH}`, start);
  const reader = new WireReader(request, start, end);
  while (reader.next()) {
    const content = shape[reader.field];
    if (content === undefined || reader.wireType !== LENGTH_DELIMITED) continue;
    const { valueStart, fieldEnd } = reader;
    switch (content.kind) {
      case 'message':
        check(request, { shape: content.shape(), start: valueStart, end: fieldEnd, depth: depth + 1 });
        break;
      case 'string':
        checkUtf8(request, valueStart, fieldEnd);
        break;
      case 'packed varints':
        if (fieldEnd > valueStart && (request[fieldEnd - 1] as number) >= 0x80) {
          throw new MalformedProtobufError('truncated varint', fieldEnd - 1);
        }
        break;
      case 'packed fixed64':
        if ((fieldEnd - valueStart) % 8 !== 0) {
          throw new MalformedProtobufError('packed field is not a multiple of 8 bytes', valueStart);
        }
        break;
      default:
        content satisfies never;
    }
  }
}

/** Nearly all strings are ASCII and short, where a loop beats the call. */
function checkUtf8(request: Buffer, start: number, end: number): void {
  for (let at = start; at < end; at++) {
    if ((request[at] as number) < 0x80) continue;
    if (!isUtf8(request.subarray(start, end))) throw new MalformedProtobufError('string is not UTF-8', start);
    return;
  }
}
