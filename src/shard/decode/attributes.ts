import { kindOf, scalarText } from './any-value.ts';
import type { KeyValue, Resource } from './otlp.ts';
import { otlpJson } from './otlp-json.ts';

/** Attributes as the read API shows them: scalars as text, of a repeated key the last; others are left out. */
export function attributeTexts(attributes: readonly KeyValue[]): Map<string, string> {
  const texts = new Map<string, string>();
  for (const { key, value } of attributes) {
    const text = scalarText(value);
    if (text !== undefined) texts.set(key, text);
  }
  return texts;
}

export function textsJson(texts: ReadonlyMap<string, string>): string {
  // fromEntries defines own members, so a key such as __proto__ stays a key.
  return JSON.stringify(Object.fromEntries(texts));
}

/**
 * The attributes, in OTLP/JSON, that {@link attributeTexts} does not hold as they were: all that are not strings,
 * all of a repeated key, and the `hidden` ones.
 */
export function attributesBeyondTexts(
  attributes: readonly KeyValue[],
  hidden: readonly string[] = [],
): Record<string, unknown>[] {
  const keys = new Set<string>();
  const kept = new Set(hidden);
  for (const { key } of attributes) {
    if (keys.has(key)) kept.add(key);
    keys.add(key);
  }
  return attributes
    .filter(({ key, value }) => kept.has(key) || value === null || kindOf(value) !== 'stringValue')
    .map(attribute => otlpJson(attribute));
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
