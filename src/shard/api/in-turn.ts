import type { Slots } from '../reads/slots.ts';
import { sendError } from './bodies.ts';
import type { Route } from './route.ts';

/** The routes with a bound on how many of their calls are in hand at once, whatever their bodies take in memory. */
export function inTurn(routes: readonly Route[], slots: Slots): readonly Route[] {
  return routes.map(route => ({
    ...route,
    async handle(exchange) {
      const isDone = await slots.run(async () => {
        await route.handle(exchange);
        return true;
      });
      if (isDone === undefined) {
        sendError(exchange.response, { status: 503, message: 'too many calls wait already' });
      }
    },
  }));
}
