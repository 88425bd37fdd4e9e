import type { Schema } from './openapi.ts';

export const text: Schema = { type: 'string' };
export const textOrNull: Schema = { type: ['string', 'null'] };
export const number: Schema = { type: 'number' };
export const numberOrNull: Schema = { type: ['number', 'null'] };
export const count: Schema = { type: 'integer', minimum: 0 };
export const countOrNull: Schema = { type: ['integer', 'null'], minimum: 0 };
export const time: Schema = { type: 'string', format: 'date-time' };
export const timeOrNull: Schema = { type: ['string', 'null'], format: 'date-time' };
export const anyObject: Schema = { type: 'object' };

export function oneOf(words: readonly string[]): Schema {
  return { type: 'string', enum: words };
}

export function hex(digits: number): Schema {
  return { type: 'string', pattern: `^[0-9a-f]{${digits}}$` };
}

export function orNull({ type, ...rest }: Schema): Schema {
  return { type: [type, 'null'], ...rest };
}

export function listOf(items: Schema): Schema {
  return { type: 'array', items };
}

export function mapOf(values: Schema): Schema {
  return { type: 'object', additionalProperties: values };
}

export type Members = Readonly<Record<string, Schema>>;

/** An object that has all members of the first list and may have those of the second. */
export function object(members: Members, optional: Members = {}): Schema {
  return { type: 'object', required: Object.keys(members), properties: { ...members, ...optional } };
}

/** The same schema with a word on what it is. */
export function described(schema: Schema, description: string): Schema {
  return { ...schema, description };
}

export function schemaRef(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}
