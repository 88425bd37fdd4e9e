import { createTurns } from '../shared/turns.ts';

/** Bounds how many requests of a kind are in hand at once; a few more wait for a while. */
export interface Gate {
  /**
   * Lets a request in when it is its turn, which then lasts until the signal is aborted: of a query when its client has
   * the answer, which is held in memory until then, or is gone. Refused when too many wait already, or when the turn did not come within `waitMs`.
   */
  enter(wait: GateWait): Promise<Entered>;
  inHand(): number;
  waiting(): number;
}

interface GateWait {
  /** Aborted when the turn is over, or not needed any more. */
  readonly signal: AbortSignal;
  readonly waitMs: number;
}

type Entered =
  | { readonly kind: 'entered' }
  /** Why, with the settings that bound it. */
  | { readonly kind: 'refused'; readonly reason: string };

/** For answers to those that were refused. */
export const RETRY_LATER = { 'Retry-After': '1' };

export interface GateLimits {
  readonly maxConcurrent: number;
  readonly maxWaiting: number;
}

export interface GateOptions extends GateLimits {
  /** What the requests are, and where their limits are set. */
  readonly of?: { readonly what: string; readonly settings: string };
  /** Told of every request that was refused, with the setting that bounds it. */
  readonly onRefused?: ((setting: string) => void) | undefined;
}

const QUERIES = { what: 'queries', settings: 'query' };

export function createGate({ maxConcurrent, maxWaiting, of = QUERIES, onRefused }: GateOptions): Gate {
  const turns = createTurns({ running: maxConcurrent, waiting: maxWaiting });
  const concurrentSetting = `${of.settings}.maxConcurrent`;
  const waitingSetting = `${of.settings}.maxWaiting`;
  const busy = `too many ${of.what}: ${maxConcurrent} are in hand (${concurrentSetting})`;
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
      const refuse = (setting: string, reason: string) => {
        if (!signal.aborted) onRefused?.(setting);
        entered.resolve({ kind: 'refused', reason });
      };
      waiting++;
      void turns.run(stay, wait.signal).then(
        turn => {
          if (turn !== undefined) return;
          refuse(waitingSetting, `${busy} and ${maxWaiting} wait (${waitingSetting})`);
        },
        () => refuse(concurrentSetting, `${busy}, and none ended within ${waitMs} ms`),
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
