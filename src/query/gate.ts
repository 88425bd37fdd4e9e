import { createTurns } from '../shared/turns.ts';

/** Bounds how many queries are in hand at once; a few more wait for a while. */
export interface Gate {
  /**
   * Lets a query in when it is its turn, which then lasts until the signal is aborted: an answer is held in memory until
   * its client has it or is gone. Refused when too many wait already, or when the turn did not come within `waitMs`.
   */
  enter(wait: GateWait): Promise<Entered>;
  inHand(): number;
  waiting(): number;
}

interface GateWait {
  /** Aborted when the client has its answer or is gone. */
  readonly signal: AbortSignal;
  readonly waitMs: number;
}

type Entered =
  | { readonly kind: 'entered' }
  /** Why, with the settings that bound it. */
  | { readonly kind: 'refused'; readonly reason: string };

/** For answers to those that were refused. */
export const RETRY_LATER = { 'Retry-After': '1' };

export interface GateOptions {
  readonly maxConcurrent: number;
  readonly maxWaiting: number;
}

export function createGate({ maxConcurrent, maxWaiting }: GateOptions): Gate {
  const turns = createTurns({ running: maxConcurrent, waiting: maxWaiting });
  const busy = `too many queries: ${maxConcurrent} are in hand (query.maxConcurrent)`;
  let inHand = 0;
  let waiting = 0;

  return {
    inHand: () => inHand,
    waiting: () => waiting,
    async enter({ signal, waitMs }) {
      const entered = Promise.withResolvers<Entered>();
      const wait = new AbortController();
      const leave = () => wait.abort();
      const timer = setTimeout(leave, waitMs);
      signal.addEventListener('abort', leave, { once: true });
      if (signal.aborted) leave();
      const stay = async () => {
        inHand++;
        entered.resolve({ kind: 'entered' });
        await aborted(signal);
        inHand--;
        return 'had its turn';
      };
      waiting++;
      void turns.run(stay, wait.signal).then(
        turn => {
          if (turn !== undefined) return;
          entered.resolve({ kind: 'refused', reason: `${busy} and ${maxWaiting} wait (query.maxWaiting)` });
        },
        () => entered.resolve({ kind: 'refused', reason: `${busy}, and none ended within ${waitMs} ms` }),
      );
      const outcome = await entered.promise;
      waiting--;
      clearTimeout(timer);
      signal.removeEventListener('abort', leave);
      return outcome;
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
