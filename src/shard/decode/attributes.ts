import { isToldByJson, kindOf, scalarJson, scalarText } from './any-value.ts';
import type { KeyValue, Resource } from './otlp.ts';
import { otlpJson } from './otlp-json.ts';

/** Scalar attributes as JSON values (see {@link scalarJson}), of a repeated key the last; others are left out. */
export function attributeValues(attributes: readonly KeyValue[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const { key, value } of attributes) {
    const json = scalarJson(value);
    if (json !== undefined) values.set(key, json);
  }
  return values;
}

/** Scalar attributes as text, of a repeated key the last. */
export function attributeTexts(attributes: readonly KeyValue[]): Map<string, string> {
  const texts = new Map<string, string>();
  for (const { key, value } of attributes) {
    const text = scalarText(value);
    if (text !== undefined) texts.set(key, text);
  }
  return texts;
}

/** Written out by hand: an object would sort keys that look like numbers. */
export function valuesJson(values: ReadonlyMap<string, string>): string {
  return `{${Array.from(values, ([key, json]) => `${JSON.stringify(key)}:${json}`).join(',')}}`;
}

/**
 * The attributes, in OTLP/JSON, that {@link attributeValues} does not hold as they were; all of a repeated key, and
 * the `hidden` ones.
 */
export function attributesBeyondValues(
  attributes: readonly KeyValue[],
  hidden: readonly string[] = [],
): Record<string, unknown>[] {
  const kept = new Set([...hidden, ...repeatedKeys(attributes)]);
  return attributes
    .filter(({ key, value }) => kept.has(key) || !isToldByJson(value))
    .map(attribute => otlpJson(attribute));
}

export function repeatedKeys(attributes: readonly KeyValue[]): ReadonlySet<string> {
  const keys = new Set<string>();
  const repeated = new Set<string>();
  for (const { key } of attributes) (keys.has(key) ? repeated : keys).add(key);
  return repeated;
}

/**
 * The resource's `service.name` (contract §2.2): the first one that has a value, or `unknown`. What is not a string
 * counts as the empty string for spans and logs and is passed over for metrics.
 */
export function serviceOf(resource: Resource | null, nonStrings: 'are empty' | 'are skipped'): string {
  for (const { key, value } of resource?.attributes ?? []) {
    if (key !== 'service.name' || value === null) continue;
    const kind = kindOf(value);
    if (kind === 'stringValue') return value.stringValue;
    if (kind !== 'nothing' && nonStrings === 'are empty') return '';
  }
  return 'unknown';
}
