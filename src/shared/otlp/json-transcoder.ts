import { isUtf8 } from 'node:buffer';
import protobuf from 'protobufjs';
import { jsonExcess } from './json-bounds.ts';
import { JSON_VALUES, type JsonValue, NotThisValue } from './json-values.ts';
import type { OtlpTypes } from './messages.ts';
import { ProtoWriter } from './proto-writer.ts';
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
  const plans = new Map<protobuf.Type, MessagePlan>();
  const writing = new Writing();
  return {
    toProtobuf(signal, json) {
      const plan = planOf(types.request(signal), plans);
      try {
        return writing.request(plan, parseLossless(json));
      } catch (error) {
        if (error instanceof SyntaxError)
          return { kind: 'malformed', reason: `invalid OTLP/JSON: ${error.message}` };
        throw error;
      }
    },
  };
}

/** Outside a string, where a double may be too short for it; inside one, a false alarm that costs only time. */
const LONG_INTEGER = /[:[,\s-]\d{16}/;
/** An escape, a quote or a number. Never a whole string: a pattern for those backtracks over all of a hostile one. */
const TOKEN = /\\.|"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** `JSON.parse`, with integers that a double cannot hold turned into strings first. */
function parseLossless(json: Buffer): unknown {
  if (!isUtf8(json)) throw new SyntaxError('body is not valid UTF-8');
  const excess = jsonExcess(json);
  if (excess !== undefined) throw new SyntaxError(excess);
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

/** How the JSON of one message type becomes protobuf: a field by each name that a member of it may have. */
interface MessagePlan {
  readonly fields: Map<string, FieldPlan>;
}

interface FieldPlan {
  readonly tag: number;
  readonly isRepeated: boolean;
  /** A list of numbers is one length-delimited value. */
  readonly isPacked: boolean;
  /** Only in snake_case, which the warning is for. */
  readonly isSnakeCase: boolean;
  readonly message: MessagePlan | undefined;
  readonly value: JsonValue | undefined;
}

/** Types contain each other, so a plan is known before it is filled. */
function planOf(type: protobuf.Type, plans: Map<protobuf.Type, MessagePlan>): MessagePlan {
  const known = plans.get(type);
  if (known !== undefined) return known;
  const plan: MessagePlan = { fields: new Map() };
  plans.set(type, plan);
  for (const field of type.fieldsArray) {
    const message =
      field.resolvedType instanceof protobuf.Type ? planOf(field.resolvedType, plans) : undefined;
    const value = message === undefined ? scalarOf(field) : undefined;
    const isPacked = field.repeated && value !== undefined && value.wireType !== LENGTH_DELIMITED;
    const wireType = isPacked || value === undefined ? LENGTH_DELIMITED : value.wireType;
    const fieldPlan = {
      tag: (field.id << 3) | wireType,
      isRepeated: field.repeated,
      isPacked,
      message,
      value,
    };
    const snakeCase = field.name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
    plan.fields.set(snakeCase, { ...fieldPlan, isSnakeCase: true });
    plan.fields.set(field.name, { ...fieldPlan, isSnakeCase: false });
  }
  return plan;
}

const LENGTH_DELIMITED = 2;

function scalarOf(field: protobuf.Field): JsonValue {
  const isId = field.type === 'bytes' && /^(?:trace|span|parentSpan)Id$/.test(field.name);
  const value = JSON_VALUES[isId ? 'id' : field.type];
  if (value === undefined) throw new Error(`no OTLP field has type ${field.type}`);
  return value;
}

/** One request being written. Where it is at is kept in arrays, so that a path is only built when it is needed. */
class Writing {
  readonly #writer = new ProtoWriter();
  readonly #names: string[] = [];
  /** -1 where a member is no list. */
  readonly #indexes: number[] = [];
  #sawSnakeCase = false;

  request(plan: MessagePlan, value: unknown): Transcoded {
    this.#writer.reset();
    this.#sawSnakeCase = false;
    this.#message(plan, value, 0);
    const warnings = this.#sawSnakeCase
      ? ['OTLP/JSON member names are lowerCamelCase; snake_case was accepted']
      : [];
    return { kind: 'body', body: this.#writer.finish(), warnings };
  }

  /** Last member first: the writer goes backwards, and of two members of a oneof the last counts. */
  #message(plan: MessagePlan, value: unknown, depth: number): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.#expected('an object', value, depth);
    if (depth > MAX_DEPTH)
      throw new SyntaxError(`${this.#path(depth)}: nested deeper than ${MAX_DEPTH} levels`);
    const members = value as Readonly<Record<string, unknown>>;
    const names = Object.keys(members);
    for (let at = names.length - 1; at >= 0; at--) {
      const name = names[at] as string;
      const field = plan.fields.get(name);
      if (field === undefined) continue;
      const member = members[name];
      if (member === null) continue;
      if (field.isSnakeCase) this.#sawSnakeCase = true;
      this.#names[depth] = name;
      this.#indexes[depth] = -1;
      if (field.isRepeated) this.#list(field, member, depth);
      else this.#field(field, member, depth);
    }
  }

  #field(field: FieldPlan, value: unknown, depth: number): void {
    if (field.message === undefined) {
      this.#scalar(field, value, depth);
    } else {
      const before = this.#writer.sizeBytes;
      this.#message(field.message, value, depth + 1);
      this.#writer.varint(this.#writer.sizeBytes - before);
    }
    this.#writer.varint(field.tag);
  }

  #list(field: FieldPlan, value: unknown, depth: number): void {
    if (!Array.isArray(value)) throw this.#expected('an array', value, depth + 1);
    const before = this.#writer.sizeBytes;
    for (let index = value.length - 1; index >= 0; index--) {
      this.#indexes[depth] = index;
      if (field.isPacked) this.#scalar(field, value[index], depth);
      else this.#field(field, value[index], depth);
    }
    if (!field.isPacked || value.length === 0) return;
    this.#writer.varint(this.#writer.sizeBytes - before);
    this.#writer.varint(field.tag);
  }

  #scalar(field: FieldPlan, value: unknown, depth: number): void {
    try {
      (field.value as JsonValue).write(this.#writer, value);
    } catch (error) {
      if (error instanceof NotThisValue) throw this.#expected(error.expected, value, depth + 1);
      throw error;
    }
  }

  #expected(what: string, value: unknown, depth: number): SyntaxError {
    return new SyntaxError(`${this.#path(depth)}: expected ${what}, got ${excerpt(value)}`);
  }

  #path(depth: number): string {
    if (depth === 0) return 'body';
    const steps = this.#names.slice(0, depth).map((name, level) => {
      const index = this.#indexes[level] as number;
      return index === -1 ? name : `${name}[${index}]`;
    });
    return steps.join('.');
  }
}

/** Nothing is serialised whole: the value may be nested deeper than the stack. */
function excerpt(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null ? 'an object' : JSON.stringify(value).slice(0, 60);
}
