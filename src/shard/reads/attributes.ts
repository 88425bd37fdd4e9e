import type { Parameters } from './where.ts';

/** Exact matches on the text of an attribute, for a table with the column `attributes`. */
export function hasAttributes(
  attributes: readonly (readonly [string, string])[],
  parameters: Parameters,
): readonly string[] {
  return attributes.map(([key, value]) => {
    // The first half follows from the second, and most rows are done with it: to find a text costs half of parsing.
    return `contains(attributes, ${parameters.text(jsonContent(value))})
      AND ${attributeText(key, parameters)} = ${parameters.text(value)}`;
  });
}

/** SQL for the text of an attribute, NULL where there is none. */
export function attributeText(key: string, parameters: Parameters): string {
  return `json_extract_string(attributes, ${parameters.text(memberPointer(key))})`;
}

export function hasAttributeKeys(keys: readonly string[], parameters: Parameters): readonly string[] {
  return keys.map(key => `json_exists(attributes, ${parameters.text(memberPointer(key))})`);
}

/** What stands between the quotes of a JSON string, as the stored texts are written. */
function jsonContent(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** The JSON Pointer (RFC 6901) of an object's member; unlike a JSON path it can name every key. */
function memberPointer(key: string): string {
  return `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
