import type { ServerResponse } from 'node:http';

/** How long a reader may take nothing of its answer. */
export const STALL_MS = 60_000;

/**
 * Takes the reader of an answer for gone when nothing of it could be sent for so long: one whose machine or network died
 * says nothing, and would be waited for until TCP gives up. To be called once there is something to send; the time runs
 * while there is nothing, too, until the function that is returned is called.
 */
export function dropWhenStalled(response: ServerResponse, stallMs = STALL_MS): () => void {
  const drop = () => response.destroy();
  response.setTimeout(stallMs, drop);
  return () => {
    response.off('timeout', drop);
    response.setTimeout(0);
  };
}
