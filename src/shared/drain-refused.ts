import type { IncomingMessage } from 'node:http';

/** How long a refused upload may go on so that its sender reads the answer instead of a reset. */
const DRAIN_MS = 5_000;

/**
 * Lets go of a body that is not wanted, after its refusal was sent. Closing at once would reset the connection under a
 * sender that is still writing; it would not see the answer.
 */
export function drainRefused(request: IncomingMessage): void {
  const drain = setTimeout(() => request.destroy(), DRAIN_MS).unref();
  request.once('close', () => clearTimeout(drain)).resume();
}
