import { isUtf8 } from 'node:buffer';
import protobuf from 'protobufjs';
import type { OtlpTypes } from './messages.ts';
import type { Signal } from './signal.ts';

/**
 * OTLP/JSON to OTLP protobuf (OTLP specification, "JSON Protobuf Encoding"): ids are hex of any case, 64-bit
 * integers strings or numbers without loss, enums integers only, unknown members ignored, `null` is absent. Members
 * in snake_case are taken with a warning: ignoring them, as the specification allows, would lose the data silently.
 */
export interface JsonTranscoder {
  toProtobuf(signal: Signal, json: Buffer): Transcoded;
}

type Transcoded =
  | { readonly kind: 'body'; readonly body: Buffer; readonly warnings: readonly string[] }
  | { readonly kind: 'malformed'; readonly reason: string };

/** Attribute values nest; nothing an SDK sends comes near this. */
const MAX_DEPTH = 64;

export function createJsonTranscoder(types: OtlpTypes): JsonTranscoder {
  return {
    toProtobuf(signal, json) {
      const state: State = { sawSnakeCase: false };
      try {
        const type = types.request(signal);
        const message = readMessage(type, parseLossless(json), { path: '', depth: 0, state });
        const { buffer, byteOffset, byteLength } = type.encode(message).finish();
        const body = Buffer.from(buffer, byteOffset, byteLength);
        const warnings = state.sawSnakeCase
          ? ['OTLP/JSON member names are lowerCamelCase; snake_case was accepted']
          : [];
        return { kind: 'body', body, warnings };
      } catch (error) {
        if (error instanceof SyntaxError)
          return { kind: 'malformed', reason: `invalid OTLP/JSON: ${error.message}` };
        throw error;
      }
    },
  };
}

interface State {
  sawSnakeCase: boolean;
}

interface Place {
  readonly path: string;
  readonly depth: number;
  readonly state: State;
}

/** Outside a string, where a double may be too short for it; inside one, a false alarm that costs only time. */
const LONG_INTEGER = /[:[,\s-]\d{16}/;
/** An escape, a quote or a number. Never a whole string: a pattern for those backtracks over all of a hostile one. */
const TOKEN = /\\.|"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** `JSON.parse`, with integers that a double cannot hold turned into strings first. */
function parseLossless(json: Buffer): unknown {
  if (!isUtf8(json)) throw new SyntaxError('body is not valid UTF-8');
  const text = json.toString('utf8');
  if (!LONG_INTEGER.test(text)) return JSON.parse(text);
  let isInString = false;
  return JSON.parse(
    text.replace(TOKEN, token => {
      if (token === '"') isInString = !isInString;
      const isLongInteger = !isInString && token.length >= 16 && !/[.eE]/.test(token);
      return isLongInteger ? `"${token}"` : token;
    }),
  );
}

function readMessage(type: protobuf.Type, value: unknown, place: Place): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw expected('an object', value, place);
  if (place.depth > MAX_DEPTH) throw new SyntaxError(`${place.path}: nested deeper than ${MAX_DEPTH} levels`);
  const message: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    const field = fieldNamed(type, name, place.state);
    if (field === undefined || member === null) continue;
    const memberPlace = {
      ...place,
      path: place.path === '' ? name : `${place.path}.${name}`,
      depth: place.depth + 1,
    };
    message[field.name] = field.repeated
      ? readList(field, member, memberPlace)
      : readOne(field, member, memberPlace);
  }
  return message;
}

function fieldNamed(type: protobuf.Type, name: string, state: State): protobuf.Field | undefined {
  if (Object.hasOwn(type.fields, name)) return type.fields[name];
  if (!name.includes('_')) return undefined;
  const camelCase = name.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());
  if (!Object.hasOwn(type.fields, camelCase)) return undefined;
  state.sawSnakeCase = true;
  return type.fields[camelCase];
}

function readList(field: protobuf.Field, value: unknown, place: Place): unknown[] {
  if (!Array.isArray(value)) throw expected('an array', value, place);
  return value.map((item, index) => readOne(field, item, { ...place, path: `${place.path}[${index}]` }));
}

function readOne(field: protobuf.Field, value: unknown, place: Place): unknown {
  if (field.resolvedType instanceof protobuf.Type) return readMessage(field.resolvedType, value, place);
  switch (field.type) {
    case 'string':
      if (typeof value !== 'string') throw expected('a string', value, place);
      return value;
    case 'bool':
      if (typeof value !== 'boolean') throw expected('true or false', value, place);
      return value;
    case 'bytes':
      return /^(?:trace|span|parentSpan)Id$/.test(field.name)
        ? readHex(value, place)
        : readBase64(value, place);
    case 'double':
      return readDouble(value, place);
    case 'int32':
    case 'sint32':
      return Number(readInteger(value, { min: -(2n ** 31n), max: 2n ** 31n - 1n }, place));
    case 'uint32':
    case 'fixed32':
      return Number(readInteger(value, { min: 0n, max: 2n ** 32n - 1n }, place));
    case 'int64':
    case 'sfixed64':
      return toLong(readInteger(value, { min: -(2n ** 63n), max: 2n ** 63n - 1n }, place));
    case 'uint64':
    case 'fixed64':
      return toLong(readInteger(value, { min: 0n, max: 2n ** 64n - 1n }, place));
    default:
      throw new Error(`no OTLP field has type ${field.type}`);
  }
}

function readHex(value: unknown, place: Place): Buffer {
  if (typeof value !== 'string' || !/^(?:[0-9a-fA-F]{2})*$/.test(value))
    throw expected('hex digits', value, place);
  return Buffer.from(value, 'hex');
}

function readBase64(value: unknown, place: Place): Buffer {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(value))
    throw expected('base64', value, place);
  return Buffer.from(value, 'base64');
}

function readDouble(value: unknown, place: Place): number {
  if (typeof value === 'number') return value;
  const isNumeric =
    typeof value === 'string' && /^(?:NaN|-?Infinity|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)$/.test(value);
  if (!isNumeric) throw expected('a number, "NaN", "Infinity" or "-Infinity"', value, place);
  return Number(value);
}

function readInteger(value: unknown, { min, max }: { min: bigint; max: bigint }, place: Place): bigint {
  const isInteger =
    (typeof value === 'number' && Number.isInteger(value)) ||
    (typeof value === 'string' && /^-?\d{1,20}$/.test(value));
  const integer = isInteger ? BigInt(value) : undefined;
  if (integer === undefined || integer < min || integer > max) {
    throw expected(`an integer from ${min} to ${max}`, value, place);
  }
  return integer;
}

/** The form in which protobufjs writes 64-bit integers without loss. */
function toLong(value: bigint): { low: number; high: number } {
  return { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)) };
}

function expected(what: string, value: unknown, place: Place): SyntaxError {
  return new SyntaxError(
    `${place.path === '' ? 'body' : place.path}: expected ${what}, got ${excerpt(value)}`,
  );
}

/** Nothing is serialised whole: the value may be nested deeper than the stack. */
function excerpt(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null ? 'an object' : JSON.stringify(value).slice(0, 60);
}
