import {
  INT32,
  INT64,
  type Integer64,
  type IntegerRange,
  readInteger,
  UINT32,
  UINT64,
} from './json-integers.ts';
import type { ProtoWriter } from './proto-writer.ts';

/** A JSON value is not of the form that its field has. */
export class NotThisValue extends Error {
  readonly expected: string;
  constructor(expected: string) {
    super(`expected ${expected}`);
    this.expected = expected;
  }
}

/** How the JSON of a scalar becomes protobuf (proto3, "JSON Mapping", with what OTLP changes). */
export interface JsonValue {
  readonly wireType: number;
  /** Throws {@link NotThisValue}. */
  write(writer: ProtoWriter, value: unknown): void;
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** By protobuf type; `id` is the `bytes` of trace and span ids. */
export const JSON_VALUES: Readonly<Record<string, JsonValue>> = {
  string: {
    wireType: LENGTH_DELIMITED,
    write(writer, value) {
      if (typeof value !== 'string') throw new NotThisValue('a string');
      writer.string(value);
    },
  },
  bool: {
    wireType: VARINT,
    write(writer, value) {
      if (typeof value !== 'boolean') throw new NotThisValue('true or false');
      writer.varint(value ? 1 : 0);
    },
  },
  id: {
    wireType: LENGTH_DELIMITED,
    write(writer, value) {
      if (typeof value !== 'string' || !writer.hex(value)) throw new NotThisValue('hex digits');
    },
  },
  bytes: {
    wireType: LENGTH_DELIMITED,
    write(writer, value) {
      if (typeof value !== 'string' || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(value))
        throw new NotThisValue('base64');
      writer.bytes(Buffer.from(value, 'base64'));
    },
  },
  double: { wireType: FIXED64, write: (writer, value) => writer.double(readDouble(value)) },
  int32: integer(VARINT, INT32, (writer, { low, high }) => writer.varint64(low, high)),
  // Zigzag: the sign is the lowest bit.
  sint32: integer(VARINT, INT32, (writer, { low }) => writer.varint(((low << 1) ^ (low >> 31)) >>> 0)),
  uint32: integer(VARINT, UINT32, (writer, { low }) => writer.varint(low)),
  fixed32: integer(FIXED32, UINT32, (writer, { low }) => writer.fixed32(low)),
  int64: integer(VARINT, INT64, (writer, { low, high }) => writer.varint64(low, high)),
  uint64: integer(VARINT, UINT64, (writer, { low, high }) => writer.varint64(low, high)),
  sfixed64: integer(FIXED64, INT64, (writer, { low, high }) => writer.fixed64(low, high)),
  fixed64: integer(FIXED64, UINT64, (writer, { low, high }) => writer.fixed64(low, high)),
};

function integer(
  wireType: number,
  range: IntegerRange,
  write: (writer: ProtoWriter, value: Integer64) => void,
): JsonValue {
  return {
    wireType,
    write(writer, value) {
      const read = readInteger(value, range);
      if (read === undefined) throw new NotThisValue(range.text);
      write(writer, read);
    },
  };
}

function readDouble(value: unknown): number {
  if (typeof value === 'number') return value;
  const isNumeric =
    typeof value === 'string' && /^(?:NaN|-?Infinity|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)$/.test(value);
  if (!isNumeric) throw new NotThisValue('a number, "NaN", "Infinity" or "-Infinity"');
  return Number(value);
}
