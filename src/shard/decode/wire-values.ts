import { isUtf8 } from 'node:buffer';
import { MalformedProtobufError } from '../../shared/otlp/wire-reader.ts';

/** Up to here a loop over the bytes is faster than a call into the runtime. */
const SHORT_STRING = 64;

/** Throws {@link MalformedProtobufError} when what is in `[start, end)` is no string. */
export function checkUtf8(request: Buffer, start: number, end: number): void {
  if (isShortAscii(request, start, end) || isUtf8(request.subarray(start, end))) return;
  throw new MalformedProtobufError('string is not UTF-8', start);
}

function isShortAscii(request: Buffer, start: number, end: number): boolean {
  if (end - start > SHORT_STRING) return false;
  for (let at = start; at < end; at++) if ((request[at] as number) >= 0x80) return false;
  return true;
}

/** The low 32 bits of the varint at `at`, unsigned: what an integer field of 32 bits takes of a longer one. */
export function readVarint32(request: Buffer, at: number): number {
  let value = 0;
  for (let shift = 0, index = at; ; shift += 7, index++) {
    const byte = request[index] as number;
    if (shift < 32) value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value >>> 0;
  }
}

export function isSameBytes(request: Buffer, one: number, other: number, sizeBytes: number): boolean {
  for (let offset = 0; offset < sizeBytes; offset++)
    if (request[one + offset] !== request[other + offset]) return false;
  return true;
}

/** Where the content begins whose length is at `at`, when it ends at `end` exactly; -1 when it does not. */
export function contentStart(request: Buffer, at: number, end: number): number {
  let length = request[at] as number;
  let contentAt = at + 1;
  if (length >= 0x80) {
    length &= 0x7f;
    for (let shift = 7; ; shift += 7) {
      if (shift > 21) return -1;
      const byte = request[contentAt++] as number;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
  }
  return contentAt + length === end ? contentAt : -1;
}

const LONGEST_VARINT = 10;

/** An integer of 64 bits, as the unsigned halves of it. */
export class Varint64 {
  low = 0;
  high = 0;

  /** Reads the varint in `[start, end)`; false when it does not end there exactly. */
  read(request: Buffer, start: number, end: number): boolean {
    if (end === start || end - start > LONGEST_VARINT) return false;
    let low = 0;
    let high = 0;
    for (let at = start, shift = 0; at < end; at++, shift += 7) {
      const byte = request[at] as number;
      if (byte >= 0x80 === (at === end - 1)) return false;
      if (shift < 28) low |= (byte & 0x7f) << shift;
      else if (shift === 28) {
        low |= (byte & 0x0f) << 28;
        high = (byte & 0x7f) >>> 4;
      } else high |= (byte & 0x7f) << (shift - 32);
    }
    this.low = low >>> 0;
    this.high = high >>> 0;
    return true;
  }
}
