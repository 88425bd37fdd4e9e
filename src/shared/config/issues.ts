import type { z } from 'zod';
import { formsOf, membersOf, schemaAt } from './leaves.ts';
import { nearest } from './nearest.ts';
import { withoutSecrets } from './secrets.ts';

interface Given {
  readonly value: unknown;
  /** `file …`, `env OTELFAN_…` or `flag --…` */
  readonly source: string;
}

const MAX_VALUE_CHARS = 120;

/** What is wrong, one line per setting: its name, the value, where it came from and what is accepted. */
export function describeIssue(issue: z.core.$ZodIssue, { value, source }: Given): string[] {
  const schema = schemaAt(issue.path);
  const path = pathText(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys((schema && membersOf(schema)) ?? {});
    return issue.keys.map(key => {
      const name = path === '' ? key : `${path}.${key}`;
      return `${name} (${source}) is not a setting; the nearest is ${nearest(key, known)}`;
    });
  }
  const forms = schema === undefined ? issue.message : `expected ${formsOf(schema)}`;
  const given = value === undefined ? 'missing' : valueText(value);
  return [`${path}: ${given} (${source}): ${forms}`];
}

/** `topology.shards[0].read` */
function pathText(path: readonly PropertyKey[]): string {
  return path
    .map(key => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '');
}

function valueText(value: unknown): string {
  const text = withoutSecrets(JSON.stringify(value) ?? String(value));
  return text.length > MAX_VALUE_CHARS ? `${text.slice(0, MAX_VALUE_CHARS)}…` : text;
}
