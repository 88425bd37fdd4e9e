/** What one call of a shard took so far. Times are in milliseconds and follow one another. */
export interface CallFigures {
  /** Until a connection was free for it. */
  readonly queueMs: number;
  /** Until there was a connection. */
  readonly connectMs: number;
  /** From the request to the head of its answer: the shard's own work. */
  readonly firstByteMs: number;
  /** From the head to the end of the answer. */
  readonly transferMs: number;
  readonly sizeBytes: number;
}

/** Told how a call goes while it runs, so that one that never ends has figures, too. */
export interface CallMeter {
  /** The next phase begins. */
  begin(phase: Exclude<Phase, 'queue'>): void;
  /** Bytes of the answer's body. Why no more may be taken, when that is so. */
  received(sizeBytes: number): string | undefined;
  end(): void;
  figures(): CallFigures;
}

type Phase = 'queue' | 'connect' | 'firstByte' | 'transfer';

/** Starts in the queue. `take` is asked whether bytes may be taken. */
export function createCallMeter(
  take: (sizeBytes: number) => string | undefined = () => undefined,
): CallMeter {
  const spentMs: Record<Phase, number> = { queue: 0, connect: 0, firstByte: 0, transfer: 0 };
  let phase: Phase | undefined = 'queue';
  let sinceMs = performance.now();
  let sizeBytes = 0;

  function turnTo(next: Phase | undefined): void {
    const nowMs = performance.now();
    if (phase !== undefined) spentMs[phase] += nowMs - sinceMs;
    phase = next;
    sinceMs = nowMs;
  }

  return {
    begin: turnTo,
    received(bytes) {
      sizeBytes += bytes;
      return take(bytes);
    },
    end: () => turnTo(undefined),
    figures() {
      turnTo(phase);
      const { queue, connect, firstByte, transfer } = spentMs;
      return { queueMs: queue, connectMs: connect, firstByteMs: firstByte, transferMs: transfer, sizeBytes };
    },
  };
}
