import protobuf from 'protobufjs';
import { type Long64, type OtlpMessage, toBigInt, toHex } from './otlp.ts';

/**
 * A decoded message in OTLP/JSON without loss (OTLP specification, "JSON Protobuf Encoding"): ids hex, other bytes
 * base64, 64-bit integers strings, doubles that JSON numbers cannot carry as "NaN", "Infinity", "-Infinity", "-0".
 * Members at their default are left out unless the message tells default and absent apart.
 */
export function otlpJson(message: OtlpMessage, omitted?: ReadonlySet<string>): Record<string, unknown> {
  const values = message as unknown as Readonly<Record<string, unknown>>;
  const json: Record<string, unknown> = {};
  for (const field of message.$type.fieldsArray) {
    if (omitted?.has(field.name) || !Object.hasOwn(values, field.name)) continue;
    const value = values[field.name];
    if (field.repeated) {
      const items = value as readonly unknown[];
      if (items.length > 0) json[field.name] = items.map(item => valueJson(field, item));
    } else if (hasPresence(field) || !isDefault(value)) {
      json[field.name] = valueJson(field, value);
    }
  }
  return json;
}

function hasPresence(field: protobuf.Field): boolean {
  return field.partOf !== null || field.resolvedType instanceof protobuf.Type;
}

function isDefault(value: unknown): boolean {
  if (value instanceof Uint8Array) return value.length === 0;
  if (typeof value === 'object') return toBigInt(value as Long64) === 0n;
  return Object.is(value, 0) || value === '' || value === false;
}

const ID_FIELDS: ReadonlySet<string> = new Set(['traceId', 'spanId', 'parentSpanId']);

function valueJson(field: protobuf.Field, value: unknown): unknown {
  if (field.resolvedType instanceof protobuf.Type) return otlpJson(value as OtlpMessage);
  if (value instanceof Uint8Array) {
    return ID_FIELDS.has(field.name) ? toHex(value) : Buffer.from(value).toString('base64');
  }
  if (typeof value === 'object') return toBigInt(value as Long64).toString();
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0)))
    return specialDouble(value);
  return value;
}

function specialDouble(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}
