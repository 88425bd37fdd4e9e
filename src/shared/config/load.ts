import { readFileSync } from 'node:fs';
import { describeIssue } from './issues.ts';
import { type Leaf, leavesOf } from './leaves.ts';
import { type Config, configSchema } from './schema.ts';
import { topologyErrors } from './topology-errors.ts';
import { unknownVariables } from './variables.ts';
import { configWarnings } from './warnings.ts';
import { parseYaml } from './yaml.ts';

/** A setting given on the command line. */
interface FlagValue {
  readonly value: string;
  /** As the user wrote it: `--http-port`. */
  readonly flag: string;
}

export interface LoadOptions {
  /** The YAML file; `OTELFAN_CONFIG` is used when it is not given. */
  readonly file?: string;
  /** What the file says, where the caller has read it already. */
  readonly text?: string;
  readonly env: NodeJS.ProcessEnv;
  /** By path of the setting. */
  readonly flags?: Readonly<Record<string, FlagValue>>;
}

export type LoadedConfig =
  | {
      readonly ok: true;
      readonly config: Config;
      /** The YAML file, if there is one. */
      readonly file: string | undefined;
      /** Where each setting got its value: `default`, `file …`, `env OTELFAN_…` or `flag --…`. By path. */
      readonly sources: ReadonlyMap<string, string>;
      /** Settings that are legal and risky. */
      readonly warnings: readonly string[];
    }
  /** One line each, with the setting, the value, what is accepted and where it came from. */
  | { readonly ok: false; readonly errors: readonly string[] };

type Tree = Record<string, unknown>;

/**
 * File, then environment, then flags: the later one wins, setting by setting. A member without a value (`ingest:`
 * with nothing below it, or an empty variable) is not set.
 */
export function loadConfig({ file, text, env, flags = {} }: LoadOptions): LoadedConfig {
  const leaves = leavesOf();
  for (const path of Object.keys(flags)) {
    if (!leaves.some(leaf => leaf.path === path)) throw new Error(`a flag sets ${path}, which is no setting`);
  }
  const fileName = file ?? nonEmpty(env.OTELFAN_CONFIG);
  const fromFile = fileName === undefined ? {} : readFile(fileName, text);
  if (typeof fromFile === 'string') return { ok: false, errors: [fromFile] };

  const errors = unknownVariables(env, leaves);
  const sources = new Map<string, string>();
  for (const leaf of leaves) {
    const fromEnv = nonEmpty(env[leaf.envName]);
    const flag = flags[leaf.path];
    if (flag !== undefined) {
      setAt(fromFile, leaf.path, flag.value);
      sources.set(leaf.path, `flag ${flag.flag}`);
    } else if (fromEnv !== undefined) {
      const error = setFromEnv(fromFile, leaf, fromEnv);
      if (error !== undefined) errors.push(error);
      sources.set(leaf.path, `env ${leaf.envName}`);
    } else {
      const isInFile = valueAt(fromFile, leaf.path.split('.')) !== undefined;
      sources.set(leaf.path, isInFile ? `file ${fileName}` : 'default');
    }
  }

  const parsed = configSchema.safeParse(fromFile);
  if (!parsed.success) {
    const sourceOf = (path: readonly PropertyKey[]) => sourceBelow(path, sources) ?? `file ${fileName}`;
    errors.push(
      ...parsed.error.issues.flatMap(issue =>
        describeIssue(issue, { value: valueAt(fromFile, issue.path), source: sourceOf(issue.path) }),
      ),
    );
  } else if (parsed.data.topology !== undefined) {
    errors.push(
      ...topologyErrors(parsed.data.topology).map(error => `${error} (${sources.get('topology')})`),
    );
  }
  if (errors.length > 0 || !parsed.success) return { ok: false, errors };
  return { ok: true, config: parsed.data, file: fileName, sources, warnings: configWarnings(parsed.data) };
}

function readFile(name: string, given: string | undefined): Tree | string {
  let text: string;
  try {
    text = given ?? readFileSync(name, 'utf8');
  } catch (error) {
    return `configuration file ${name} cannot be read: ${(error as Error).message}`;
  }
  try {
    const tree = withoutNulls(parseYaml(text) ?? {});
    return isTree(tree) ? tree : `configuration file ${name}: expected a YAML mapping at the top`;
  } catch (error) {
    return `configuration file ${name} is not valid YAML: ${firstLine(error)}`;
  }
}

function setFromEnv(tree: Tree, { path, envName, isStructured }: Leaf, text: string): string | undefined {
  if (!isStructured) {
    setAt(tree, path, text);
    return undefined;
  }
  try {
    setAt(tree, path, withoutNulls(parseYaml(text)));
    return undefined;
  } catch (error) {
    return `${envName} is not valid YAML: ${firstLine(error)}`;
  }
}

function firstLine(error: unknown): string {
  return (error as Error).message.split('\n', 1)[0]?.replace(/:$/, '') ?? '';
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function withoutNulls(value: unknown): unknown {
  if (!isTree(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== null)
      .map(([name, member]) => [name, withoutNulls(member)]),
  );
}

function valueAt(tree: unknown, path: readonly PropertyKey[]): unknown {
  let at = tree;
  for (const name of path)
    at = typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[name] : undefined;
  return at;
}

/** Leaves a value that should have been a mapping in place, so that validation can name it. */
function setAt(tree: Tree, path: string, value: unknown): void {
  const names = path.split('.');
  const last = names.pop() as string;
  let at = tree;
  for (const name of names) {
    at[name] ??= {};
    const next = at[name];
    if (!isTree(next)) return;
    at = next;
  }
  at[last] = value;
}

function sourceBelow(path: readonly PropertyKey[], sources: ReadonlyMap<string, string>): string | undefined {
  for (let length = path.length; length > 0; length--) {
    const source = sources.get(path.slice(0, length).join('.'));
    if (source !== undefined) return source;
  }
  return undefined;
}
