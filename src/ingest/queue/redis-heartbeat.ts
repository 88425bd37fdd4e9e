import type { Redis } from 'ioredis';

export interface HeartbeatOptions {
  readonly nodes: () => readonly Redis[];
  readonly intervalMs: number;
  /** Beats in a row in which a server that owes an answer may be silent. */
  readonly maxSilentBeats: number;
}

export interface Heartbeat {
  /** Whether a server is silent for longer than it may be. */
  isSilent(node: Redis): boolean;
  stop(): void;
}

/** A server that is still being sent this many bytes gets another beat: it may be the network that is slow. */
const UNSENT_BYTES_PER_BEAT = 4 * 1024 ** 2;

/** What was seen of a server that owes an answer. */
interface Pulse {
  silentBeats: number;
  bytesRead: number;
  unsentBytes: number;
}

/**
 * Pings servers and cuts the connection to one that stays silent, so that everything in flight on it fails together.
 * Counts beats, not time: when this process itself was busy for long, the next beat comes late, but an answer that
 * has arrived meanwhile is read before the one after it.
 */
export function startHeartbeat({ nodes, intervalMs, maxSilentBeats }: HeartbeatOptions): Heartbeat {
  const pulses = new WeakMap<Redis, Pulse>();

  function beat(node: Redis): void {
    const pulse = pulses.get(node);
    if (pulse === undefined) {
      ask(node);
    } else if (isMoving(node, pulse)) {
      pulses.set(node, pulseOf(node));
    } else {
      pulse.silentBeats += 1;
      if (pulse.silentBeats >= allowedBeats(node)) node.stream.destroy(new Error('silent for too long'));
    }
  }

  function ask(node: Redis): void {
    // The first thing sent to a node of a cluster is what connects it.
    if (node.status === 'wait') node.ping().catch(() => undefined);
    // One that was connected has to greet, one that is ready to answer; connecting has a time limit of its own.
    if (node.status !== 'connect' && node.status !== 'ready') return;
    const forget = () => pulses.delete(node);
    pulses.set(node, pulseOf(node));
    if (node.status === 'ready') node.ping().then(forget, forget);
    else node.once('ready', forget).once('close', forget);
  }

  function isMoving({ stream }: Redis, { bytesRead, unsentBytes }: Pulse): boolean {
    return stream.bytesRead !== bytesRead || stream.writableLength < unsentBytes;
  }

  function allowedBeats(node: Redis): number {
    return maxSilentBeats + Math.floor(node.stream.writableLength / UNSENT_BYTES_PER_BEAT);
  }

  function pulseOf({ stream }: Redis): Pulse {
    return { silentBeats: 0, bytesRead: stream.bytesRead, unsentBytes: stream.writableLength };
  }

  const timer = setInterval(() => nodes().forEach(beat), intervalMs);
  return {
    isSilent: node => (pulses.get(node)?.silentBeats ?? 0) >= maxSilentBeats,
    stop: () => clearInterval(timer),
  };
}
