import { type ParseArgsConfig, parseArgs } from 'node:util';

/**
 * The command line of a program for those who work on otelfan. With `--help` it ends having printed its usage, and with
 * a flag that it does not have, having said which.
 */
export function parseToolFlags<const Config extends ParseArgsConfig>(usage: string, config: Config) {
  if (process.argv.includes('--help')) {
    process.stdout.write(usage);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    return refuse((error as Error).message, usage);
  }
}

/** The whole number that a flag has to be. */
export function wholeNumber(flag: string, text: string, usage: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : refuse(`--${flag} ${text}: expected a whole number`, usage);
}

/** Ends the process with the exit code of a wrong command line. */
export function refuse(error: string, usage: string): never {
  process.stderr.write(`${error}\n\n${usage}`);
  process.exit(2);
}
