import { z } from 'zod';
import { configSchema } from './schema.ts';

/** One setting: the smallest thing that a flag or an environment variable can give. */
export interface Leaf {
  /** `queue.redis.url` */
  readonly path: string;
  /** `OTELFAN_QUEUE_REDIS_URL` */
  readonly envName: string;
  /** Absent values stay absent: the setting has no default. */
  readonly fallback: string | number | boolean | undefined;
  /** What is accepted, as it follows "expected". */
  readonly forms: string;
  readonly description: string;
  /** Given as a whole; in the environment as YAML text. */
  readonly isStructured: boolean;
}

type Schema = z.core.$ZodType;

/** Every setting in the order of the schema, found in the schema itself: there is no second list. */
export function leavesOf(schema: Schema = configSchema, path = ''): Leaf[] {
  const isSection = schema instanceof z.ZodPrefault || path === '';
  if (!isSection) return [leafAt(schema, path)];
  return Object.entries(membersOf(schema) ?? {}).flatMap(([key, member]) =>
    leavesOf(member, path === '' ? key : `${path}.${key}`),
  );
}

function leafAt(schema: Schema, path: string): Leaf {
  return {
    path,
    envName: `OTELFAN_${path
      .replace(/([A-Z])/g, '_$1')
      .replaceAll('.', '_')
      .toUpperCase()}`,
    fallback: defaultOf(schema),
    forms: formsOf(schema),
    description: metaOf(schema, 'description') ?? '',
    isStructured: membersOf(schema) !== undefined,
  };
}

/** What is accepted for a value, as it follows "expected". */
export function formsOf(schema: Schema): string {
  const forms = metaOf(schema, 'forms');
  if (forms !== undefined) return forms;
  const bare = unwrap(schema);
  if (bare instanceof z.ZodEnum) return `one of ${bare.options.join(', ')}`;
  return bare instanceof z.ZodObject ? 'a mapping' : 'text';
}

/** The schema of what is found below `path`, where list indexes stand for any member of the list. */
export function schemaAt(path: readonly PropertyKey[]): Schema | undefined {
  let schema: Schema | undefined = configSchema;
  for (const key of path) {
    const bare = unwrap(schema);
    schema = bare instanceof z.ZodArray ? bare.element : membersOf(bare)?.[String(key)];
    if (schema === undefined) return undefined;
  }
  return schema;
}

/** The members of a mapping, or `undefined` for anything else. */
export function membersOf(schema: Schema): Readonly<Record<string, Schema>> | undefined {
  const bare = unwrap(schema);
  return bare instanceof z.ZodObject ? bare.shape : undefined;
}

function* wrappersOf(schema: Schema): Generator<Schema> {
  let inner: Schema | undefined = schema;
  while (inner !== undefined) {
    yield inner;
    inner = innerOf(inner);
  }
}

function innerOf(schema: Schema): Schema | undefined {
  if (schema instanceof z.ZodPipe) return schema.in;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return schema.unwrap();
  return undefined;
}

function unwrap(schema: Schema): Schema {
  let bare = schema;
  for (const inner of wrappersOf(schema)) bare = inner;
  return bare;
}

function metaOf(schema: Schema, name: 'forms' | 'description'): string | undefined {
  for (const inner of wrappersOf(schema)) {
    const text = z.globalRegistry.get(inner)?.[name];
    if (typeof text === 'string') return text;
  }
  return undefined;
}

function defaultOf(schema: Schema): string | number | boolean | undefined {
  for (const inner of wrappersOf(schema)) {
    if (inner instanceof z.ZodDefault) return inner.def.defaultValue as string | number | boolean;
  }
  return undefined;
}
