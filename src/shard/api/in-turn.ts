import type { Turns } from '../../shared/turns.ts';
import { sendError } from './bodies.ts';
import { callerGone, type Route } from './route.ts';

/** The routes with a bound on how many of their calls are in hand at once, before anything of a body is read. */
export function inTurn(turns: Turns, routes: readonly Route[]): readonly Route[] {
  return routes.map(route => ({
    ...route,
    async handle(exchange) {
      const isDone = await turns.run(async () => {
        await route.handle(exchange);
        return true;
      }, callerGone(exchange.response));
      if (isDone === undefined) {
        sendError(exchange.response, { status: 503, message: 'too many calls wait already' });
      }
    },
  }));
}
