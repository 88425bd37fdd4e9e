import { z } from 'zod';
import { configSchema } from './schema.ts';

/** One setting, as the schema describes it. */
export interface Leaf {
  /** `queue.redis.url` */
  readonly path: string;
  /** `OTELFAN_QUEUE_REDIS_URL` */
  readonly env: string;
  readonly description: string;
  /** As it would be written in YAML; `undefined` when the setting is simply not set. */
  readonly fallback: string | number | undefined;
}

/** Every setting, read off the schema, in its order. A list, such as the topology, is one setting. */
export function configLeaves(): readonly Leaf[] {
  return leavesBelow(configSchema, []);
}

function leavesBelow(schema: z.core.$ZodType, path: readonly string[]): Leaf[] {
  const { inner, description, fallback } = unwrap(schema);
  if (inner instanceof z.ZodObject && path.join('.') !== 'topology') {
    return Object.entries(inner.shape).flatMap(([name, member]) => leavesBelow(member, [...path, name]));
  }
  return [{ path: path.join('.'), env: envNameOf(path), description, fallback }];
}

/** Takes off what is wrapped around a type: defaults, optionality, transformations. */
function unwrap(schema: z.core.$ZodType) {
  let inner = schema;
  let description = '';
  let fallback: Leaf['fallback'];
  for (;;) {
    description ||= z.globalRegistry.get(inner)?.description ?? '';
    if (inner instanceof z.ZodDefault) {
      fallback ??= inner.def.defaultValue as Leaf['fallback'];
      inner = inner.def.innerType;
    } else if (inner instanceof z.ZodPrefault || inner instanceof z.ZodOptional) {
      inner = inner.def.innerType;
    } else if (inner instanceof z.ZodPipe) {
      inner = inner.def.in;
    } else {
      return { inner, description, fallback };
    }
  }
}

function envNameOf(path: readonly string[]): string {
  const words = path.map(segment => segment.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase());
  return ['OTELFAN', ...words].join('_');
}
