import type { Slots } from '../reads/slots.ts';
import { sendError } from './bodies.ts';
import { callerGone, type Route } from './route.ts';

/** The routes with a bound on how many of their calls are in hand at once, before anything of a body is read. */
export function inTurn(slots: Slots, routes: readonly Route[]): readonly Route[] {
  return routes.map(route => ({
    ...route,
    async handle(exchange) {
      const isDone = await slots.run(async () => {
        await route.handle(exchange);
        return true;
      }, callerGone(exchange.response));
      if (isDone === undefined) {
        sendError(exchange.response, { status: 503, message: 'too many calls wait already' });
      }
    },
  }));
}
