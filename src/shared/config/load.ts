import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import type { z } from 'zod';
import { configLeaves, type Leaf } from './leaves.ts';
import { type Config, configSchema } from './schema.ts';
import { topologyErrors } from './topology-errors.ts';
import { configWarnings } from './warnings.ts';

/** A setting given on the command line. */
export interface FlagValue {
  readonly value: string;
  /** As the user wrote it: `--http-port`. */
  readonly flag: string;
}

export interface LoadOptions {
  /** The YAML file; `OTELFAN_CONFIG` is used when it is not given. */
  readonly file?: string;
  readonly env: NodeJS.ProcessEnv;
  /** By path of the setting. */
  readonly flags?: Readonly<Record<string, FlagValue>>;
}

export type LoadedConfig =
  | {
      readonly ok: true;
      readonly config: Config;
      /** Where each setting got its value: `default`, `file …`, `env OTELFAN_…` or the flag. By path. */
      readonly sources: ReadonlyMap<string, string>;
      /** Settings that are legal and risky. */
      readonly warnings: readonly string[];
    }
  /** One line each, with the setting, the value, what is accepted and where it came from. */
  | { readonly ok: false; readonly errors: readonly string[] };

/** Set by people, but not settings: where the file is, and what the test runner tells the tests. */
const OTHER_VARIABLES = /^OTELFAN_(?:CONFIG$|TEST_)/;

type Tree = Record<string, unknown>;

/** File, then environment, then flags: the later one wins, setting by setting. */
export function loadConfig({ file, env, flags = {} }: LoadOptions): LoadedConfig {
  const leaves = configLeaves();
  const fileName = file ?? nonEmpty(env.OTELFAN_CONFIG);
  const fromFile = fileName === undefined ? {} : readFile(fileName);
  if (typeof fromFile === 'string') return { ok: false, errors: [fromFile] };

  const raw: Tree = structuredClone(fromFile);
  const sources = new Map<string, string>();
  const errors = unknownVariables(env, leaves);
  for (const leaf of leaves) {
    if (valueAt(raw, leaf.path) !== undefined) sources.set(leaf.path, `file ${fileName}`);
    const fromEnv = nonEmpty(env[leaf.env]);
    if (fromEnv !== undefined) {
      const error = overrideFromEnv(raw, leaf, fromEnv);
      if (error !== undefined) errors.push(error);
      sources.set(leaf.path, `env ${leaf.env}`);
    }
    const flag = flags[leaf.path];
    if (flag !== undefined) {
      setAt(raw, leaf.path, flag.value);
      sources.set(leaf.path, flag.flag);
    }
    if (!sources.has(leaf.path)) sources.set(leaf.path, 'default');
  }

  const parsed = configSchema.safeParse(raw);
  if (!parsed.success) {
    const sourceOf = (path: string) =>
      [...sources].find(([leaf]) => path === leaf || path.startsWith(`${leaf}.`))?.[1];
    for (const issue of parsed.error.issues) errors.push(describeIssue(issue, raw, sourceOf) ?? '');
  } else if (parsed.data.topology !== undefined) {
    errors.push(...topologyErrors(parsed.data.topology));
  }
  if (errors.length > 0 || !parsed.success) return { ok: false, errors };
  return { ok: true, config: parsed.data, sources, warnings: configWarnings(parsed.data) };
}

function readFile(name: string): Tree | string {
  let text: string;
  try {
    text = readFileSync(name, 'utf8');
  } catch (error) {
    return `configuration file ${name} cannot be read: ${(error as Error).message}`;
  }
  try {
    const tree: unknown = parseYaml(text) ?? {};
    if (typeof tree === 'object' && !Array.isArray(tree)) return tree as Tree;
    return `configuration file ${name}: expected a YAML mapping at the top`;
  } catch (error) {
    return `configuration file ${name} is not valid YAML: ${(error as Error).message.split('\n')[0]}`;
  }
}

/** The topology is a tree of its own, so its variable holds YAML (or JSON, which is YAML). */
function overrideFromEnv(raw: Tree, leaf: Leaf, text: string): string | undefined {
  if (leaf.path !== 'topology') {
    setAt(raw, leaf.path, text);
    return undefined;
  }
  try {
    setAt(raw, leaf.path, parseYaml(text));
    return undefined;
  } catch (error) {
    return `${leaf.env} is not valid YAML: ${(error as Error).message.split('\n')[0]}`;
  }
}

function unknownVariables(env: NodeJS.ProcessEnv, leaves: readonly Leaf[]): string[] {
  const known = new Set(leaves.map(leaf => leaf.env));
  return Object.keys(env)
    .filter(name => name.startsWith('OTELFAN_') && !known.has(name) && !OTHER_VARIABLES.test(name))
    .map(name => `${name} is not a setting; the nearest is ${nearest(name, [...known])}`);
}

function describeIssue(
  issue: z.core.$ZodIssue,
  raw: Tree,
  sourceOf: (path: string) => string | undefined,
): string {
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => `${path === '' ? key : `${path}.${key}`} is not a setting`).join('\n');
  }
  const given = valueAt(raw, path);
  const source = sourceOf(path);
  const from = source === undefined ? '' : ` (from ${source})`;
  const message = issue.message.replace(/^Invalid (?:input|option): /, '');
  return given === undefined
    ? `${path}: missing; ${message}${from}`
    : `${path}: ${JSON.stringify(given)}${from}: ${message}`;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

function valueAt(tree: unknown, path: string): unknown {
  let at: unknown = tree;
  for (const name of path.split('.'))
    at = typeof at === 'object' && at !== null ? (at as Tree)[name] : undefined;
  return at;
}

/** Leaves a value that should have been a mapping in place, so that validation can name it. */
function setAt(tree: Tree, path: string, value: unknown): void {
  const names = path.split('.');
  const last = names.pop() as string;
  let at = tree;
  for (const name of names) {
    at[name] ??= {};
    if (typeof at[name] !== 'object') return;
    at = at[name] as Tree;
  }
  at[last] = value;
}

function nearest(name: string, candidates: readonly string[]): string {
  const distances = candidates.map(candidate => ({ candidate, distance: editDistance(name, candidate) }));
  return distances.sort((a, b) => a.distance - b.distance)[0]?.candidate ?? '';
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitution, (previous[j] as number) + 1, (row[j - 1] as number) + 1));
    }
    previous = row;
  }
  return previous[b.length] as number;
}
