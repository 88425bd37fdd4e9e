import { quoteBareValues } from './json.ts';

/*
 * The way back from stored attributes (see `tables.ts`) to what the read API shows: texts in the row's own member,
 * and, in OTLP/JSON, the types that the texts do not tell.
 */

interface OtlpAttribute {
  /** Absent for the empty one. */
  readonly key?: string;
  readonly value: Readonly<Record<string, unknown>>;
}

export interface ShownAttributes {
  /** JSON of an object of strings. */
  readonly texts: string;
  /** Those that are no strings. */
  readonly typed: readonly OtlpAttribute[];
}

export function showAttributes(stored: string): ShownAttributes {
  const texts = quoteBareValues(stored);
  return { texts, typed: texts === stored ? [] : typedAttributes(JSON.parse(stored), JSON.parse(texts)) };
}

/** Two readings of one object, with values of their types and with their texts. */
function typedAttributes(
  values: Readonly<Record<string, unknown>>,
  texts: Readonly<Record<string, string>>,
): OtlpAttribute[] {
  return Object.entries(values)
    .filter(([, value]) => typeof value !== 'string')
    .map(([key, value]) => ({ ...(key !== '' && { key }), value: otlpValue(value, texts[key] ?? '') }));
}

function otlpValue(value: unknown, text: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'boolean') return { boolValue: value };
  return text.includes('.') ? { doubleValue: value } : { intValue: text };
}

type OtlpRecord = Readonly<Record<string, unknown>> & { readonly attributes?: readonly OtlpAttribute[] };

/** Adds typed attributes to a record's own; those whose key it has already are all there. */
export function withAttributes(record: OtlpRecord, typed: readonly OtlpAttribute[]): OtlpRecord {
  if (typed.length === 0) return record;
  const own = record.attributes ?? [];
  const keys = new Set(own.map(({ key }) => key));
  return { ...record, attributes: [...typed.filter(({ key }) => !keys.has(key)), ...own] };
}
