import { type Logger, pino } from 'pino';
import type { Component } from '../shared/lifecycle.ts';
import { EXIT, UserError } from './exit-codes.ts';

/** Log lines are JSON on stderr; stdout belongs to what a command answers. */
export function createLogger(level: string, name: string): Logger {
  return pino({ level, name }, pino.destination({ fd: 2, sync: true }));
}

/** Asks again within this time are the same wish: a terminal sends Ctrl-C to every process at once. */
const SAME_WISH_MS = 1000;

/**
 * Resolves on SIGINT or SIGTERM, or when the process that started this one is gone. A child of `otelfan up` leaves
 * SIGINT to its parent, because a terminal sends Ctrl-C to both and the shards have to outlive the queue. Asking
 * again, a second later, ends the process at once.
 */
async function untilAskedToStop({ isChild }: { isChild: boolean }): Promise<void> {
  await new Promise<void>(resolve => {
    let askedAtMs: number | undefined;
    const ask = () => {
      const nowMs = performance.now();
      if (askedAtMs !== undefined && nowMs - askedAtMs > SAME_WISH_MS) process.exit(130);
      askedAtMs ??= nowMs;
      resolve();
    };
    process.on('SIGINT', isChild ? () => {} : ask);
    process.on('SIGTERM', ask);
    if (!isChild) return;
    process.once('disconnect', ask);
    // It may have gone while this process was starting.
    if (!process.connected) ask();
  });
}

/** Runs a started component until the process is asked to stop. */
export async function serve(component: Component, logger: Logger): Promise<number> {
  // Unlike the connection, `send` stays when the parent is gone.
  await untilAskedToStop({ isChild: process.send !== undefined });
  logger.info('stopping');
  await component.stop();
  // Listening for the parent's end keeps the process alive.
  if (process.connected) process.disconnect();
  return EXIT.ok;
}

/** Turns what can go wrong with an address into one line for the person who chose it. */
export function listenError(error: unknown): unknown {
  const {
    code = '',
    address,
    port,
    hostname,
  } = error as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
    hostname?: string;
  };
  // Files are refused with some of the same codes.
  if (port === undefined && hostname === undefined) return error;
  switch (code) {
    case 'EADDRINUSE':
      return new UserError(
        `address ${address}:${port} is in use; stop what listens there or choose another port (0 takes any free one)`,
      );
    case 'EACCES':
      return new UserError(
        `may not listen on ${address}:${port}: permission denied; choose a port above 1023`,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new UserError(`cannot listen on ${hostname ?? address}: not an address of this machine`);
    default:
      return error;
  }
}
