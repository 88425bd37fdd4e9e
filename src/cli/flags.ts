import { parseArgs } from 'node:util';
import { type LoadedConfig, loadConfig } from '../shared/config/load.ts';
import type { Config } from '../shared/config/schema.ts';
import { EXIT, UserError } from './exit-codes.ts';

/** A flag: what it sets in the configuration, or what it means to the command itself. */
interface Flag {
  readonly type: 'string' | 'boolean';
  /** `DIR` in `--data-dir DIR`. */
  readonly placeholder?: string;
  readonly about: string;
  /** Path of the configuration leaf that the flag overrides. */
  readonly sets?: string;
  /** May be given more than once. */
  readonly multiple?: true;
}

export type Flags = Readonly<Record<string, Flag>>;

/** Where the configuration is, and the data folder. */
export const CONFIG_FLAGS = {
  config: { type: 'string', placeholder: 'FILE', about: 'YAML configuration (or OTELFAN_CONFIG)' },
  'data-dir': {
    type: 'string',
    placeholder: 'DIR',
    about: 'where data is stored (default ./data)',
    sets: 'dataDir',
  },
} as const satisfies Flags;

export const SERVE_FLAGS = {
  ...CONFIG_FLAGS,
  'log-level': {
    type: 'string',
    placeholder: 'LEVEL',
    about: 'trace, debug, info, warn, error or silent',
    sets: 'logLevel',
  },
  json: { type: 'boolean', about: 'print the addresses as one JSON line when ready' },
  help: { type: 'boolean', about: 'show this text' },
} as const satisfies Flags;

export interface ParsedFlags {
  readonly text: (name: string) => string | undefined;
  /** Every value of a flag that may be given more than once. */
  readonly texts: (name: string) => readonly string[];
  readonly isSet: (name: string) => boolean;
  /** What is not a flag, in order. */
  readonly words: readonly string[];
}

/**
 * @param maxWords arguments that are not flags
 * @throws UserError with the exit code for usage when an argument is not one of the flags
 */
export function parseFlags(
  command: string,
  argv: readonly string[],
  flags: Flags,
  maxWords = 0,
): ParsedFlags {
  try {
    const options = Object.fromEntries(
      Object.entries(flags).map(([name, { type, multiple = false }]) => [name, { type, multiple }]),
    );
    const allowPositionals = maxWords > 0;
    const { values, positionals } = parseArgs({ args: [...argv], options, strict: true, allowPositionals });
    if (positionals.length > maxWords) throw new Error(`Unexpected argument '${positionals[maxWords]}'`);
    return {
      text: name => values[name] as string | undefined,
      texts: name => (values[name] ?? []) as readonly string[],
      isSet: name => values[name] !== undefined,
      words: positionals,
    };
  } catch (error) {
    throw new UserError(
      `${(error as Error).message.split(/\n|\. To specify/)[0]} (see: otelfan ${command} --help)`,
      EXIT.usage,
    );
  }
}

export interface Settings {
  readonly config: Config;
  readonly warnings: readonly string[];
  /** The configuration file, if there is one. */
  readonly file: string | undefined;
  /** See {@link LoadedConfig}. */
  readonly sources: ReadonlyMap<string, string>;
  /** The configuration as it would be with this text in the file. */
  readonly withText: (text: string) => LoadedConfig;
}

/** The configuration as file, environment and flags make it. */
export function configFrom(parsed: ParsedFlags, flags: Flags, env: NodeJS.ProcessEnv): Settings {
  const overrides = Object.entries(flags).flatMap(([name, { sets }]) => {
    const value = parsed.text(name);
    return sets === undefined || value === undefined ? [] : [[sets, { value, flag: `--${name}` }] as const];
  });
  const file = parsed.text('config');
  const options = { env, flags: Object.fromEntries(overrides), ...(file !== undefined && { file }) };
  const loaded = loadConfig(options);
  if (!loaded.ok) throw new UserError(loaded.errors.join('\n'), EXIT.usage);
  return { ...loaded, withText: text => loadConfig({ ...options, text }) };
}

export interface HelpText {
  readonly summary: string;
  readonly usage: string;
  readonly flags: Flags;
  /** What the codes mean where the command does not serve until it is stopped. */
  readonly exitCodes?: string;
  readonly example: string;
}

const SERVE_EXIT_CODES = '0 stopped on request, 1 failed, 2 usage';

export function helpText({ summary, usage, flags, exitCodes = SERVE_EXIT_CODES, example }: HelpText): string {
  const rows = Object.entries(flags).map(([name, flag]) => {
    const left = flag.placeholder === undefined ? `--${name}` : `--${name} ${flag.placeholder}`;
    return [left, flag.about] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  const lines = rows.map(([left, about]) => `  ${left.padEnd(width)}  ${about}`).join('\n');
  return `${summary}\n\nUsage: ${usage}\n\nFlags:\n${lines}\n\nExit codes: ${exitCodes}.\n\nExample:\n  ${example}\n`;
}
