import type protobuf from 'protobufjs';

/**
 * One record as the bytes that a scope's envelope takes, with holes where records differ. Filling the holes of a copy
 * makes a record at a hundredth of what encoding it costs, so that a generator keeps ahead of what it measures.
 */
export interface Template {
  readonly bytes: Buffer;
  /** Where each hole starts; a template may have a hole several times or not at all. */
  readonly holes: Readonly<Record<HoleName, readonly number[]>>;
}

/** What stands in a hole until it is filled; as long as what fills it, and in no other part of a message. */
const HOLES = {
  traceId: Buffer.alloc(16, 0xf1),
  spanId: Buffer.alloc(8, 0xf2),
  parentSpanId: Buffer.alloc(8, 0xf3),
  start: Buffer.alloc(8, 0xf4),
  end: Buffer.alloc(8, 0xf5),
  /** The value of a point: a double, or an integer of 64 bits. */
  double: Buffer.alloc(8, 0xf6),
  integer: Buffer.alloc(8, 0xf7),
  /** Eight digits inside a text. */
  digits: Buffer.from('########'),
  /** An integer attribute whose varint has three bytes, behind its key and two headers. */
  small: Buffer.from([0xff, 0xf8, 0x7f]),
} as const;

type HoleName = keyof typeof HOLES;

/** Values of protobufjs messages that encode to the marks above. */
export const HOLE_VALUES = {
  ...HOLES,
  start: HOLES.start.readBigUInt64LE().toString(),
  end: HOLES.end.readBigUInt64LE().toString(),
  double: HOLES.double.readDoubleLE(),
  integer: HOLES.integer.readBigInt64LE().toString(),
  digits: HOLES.digits.toString(),
  small: 0x7f | (0x78 << 7) | (0x7f << 14),
} as const;

/** Records are field 2 of `ScopeSpans`, `ScopeLogs` and `ScopeMetrics` alike. */
const RECORD_TAG = 0x12;

export function createTemplate(type: protobuf.Type, message: Record<string, unknown>): Template {
  const record = type.encode(type.fromObject(message)).finish();
  const bytes = Buffer.concat([Buffer.from([RECORD_TAG]), varint(record.length), record]);
  const holes = Object.fromEntries(
    Object.entries(HOLES).map(([name, mark]) => [name, occurrences(bytes, mark)]),
  ) as Record<HoleName, number[]>;
  return { bytes, holes };
}

function occurrences(bytes: Buffer, mark: Buffer): number[] {
  const found: number[] = [];
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + mark.length)) found.push(at);
  return found;
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** Eight decimal digits. */
export function writeDigits(target: Buffer, at: number, value: number): void {
  let rest = value;
  for (let index = at + 7; index >= at; index--) {
    target[index] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

/** An integer from 16 384 to 2 097 151: the ones whose varint has three bytes. */
export function writeSmall(target: Buffer, at: number, value: number): void {
  target[at] = (value & 0x7f) | 0x80;
  target[at + 1] = ((value >>> 7) & 0x7f) | 0x80;
  target[at + 2] = value >>> 14;
}

const TWO_TO_32 = 2 ** 32;

/** Nanoseconds since `baseNs`, exact up to 2^53, as the time that they are. */
export function createTimeWriter(baseNs: bigint): (target: Buffer, at: number, offsetNs: number) => void {
  const baseLow = Number(baseNs & 0xffff_ffffn);
  const baseHigh = Number(baseNs >> 32n);
  return (target, at, offsetNs) => {
    const low = baseLow + (offsetNs % TWO_TO_32);
    target.writeUInt32LE(low % TWO_TO_32, at);
    target.writeUInt32LE(baseHigh + Math.floor(offsetNs / TWO_TO_32) + Math.floor(low / TWO_TO_32), at + 4);
  };
}
