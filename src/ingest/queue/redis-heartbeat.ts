import type { Redis } from 'ioredis';

export interface HeartbeatOptions {
  readonly nodes: () => readonly Redis[];
  readonly intervalMs: number;
  /** Beats that a server may leave unanswered. */
  readonly maxMissedBeats: number;
}

/**
 * Pings servers and cuts the connection to one that is silent, so that everything in flight on it fails together and
 * everything after that at once. Counts beats, not time: when this process itself was busy for long, the next beat
 * comes late but an answer that has arrived meanwhile is read before the one after it.
 *
 * @returns how to end it.
 */
export function startHeartbeat({ nodes, intervalMs, maxMissedBeats }: HeartbeatOptions): () => void {
  const missedBeats = new WeakMap<Redis, number>();

  function beat(node: Redis): void {
    // One that is reconnecting has time limits of its own; one that waits to be used is connected by the ping.
    if (node.status !== 'ready' && node.status !== 'wait') return;
    const missed = missedBeats.get(node);
    if (missed === undefined) {
      missedBeats.set(node, 0);
      const answered = () => missedBeats.delete(node);
      node.ping().then(answered, answered);
    } else if (missed + 1 < maxMissedBeats) {
      missedBeats.set(node, missed + 1);
    } else {
      node.stream.destroy(new Error('no answer to PING'));
    }
  }

  const timer = setInterval(() => nodes().forEach(beat), intervalMs);
  return () => clearInterval(timer);
}
