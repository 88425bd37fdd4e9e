/** Bounds what all queries together hold of the answers of shards. */
export interface HeldBytes {
  /** What one query holds, until the signal is aborted: its client has the answer or is gone. */
  open(signal: AbortSignal): HeldShare;
  sizeBytes(): number;
}

/** The bytes that one query holds. */
export interface HeldShare {
  /** Holds so many more. Why they may not be held, with the setting, when that is so. */
  take(sizeBytes: number): string | undefined;
  /** Why some were not held. */
  refusal(): string | undefined;
}

export interface HeldBytesOptions {
  readonly maxHeldBytes: number;
  /** Told of every query that was refused, with the setting that bounds it. */
  readonly onRefused?: ((setting: string) => void) | undefined;
}

const SETTING = 'query.maxHeldBytes';

export function createHeldBytes({ maxHeldBytes, onRefused }: HeldBytesOptions): HeldBytes {
  let heldBytes = 0;
  return {
    sizeBytes: () => heldBytes,
    open(signal) {
      let ownBytes = 0;
      let refusal: string | undefined;
      const giveBack = () => {
        heldBytes -= ownBytes;
      };
      signal.addEventListener('abort', giveBack, { once: true });
      return {
        refusal: () => refusal,
        take(sizeBytes) {
          if (refusal !== undefined) return refusal;
          if (signal.aborted) return 'nobody waits for the answer';
          if (heldBytes + sizeBytes > maxHeldBytes) {
            refusal = `too much is held: the answers of all queries would be larger than ${SETTING} (${maxHeldBytes} bytes)`;
            onRefused?.(SETTING);
            return refusal;
          }
          heldBytes += sizeBytes;
          ownBytes += sizeBytes;
          return undefined;
        },
      };
    },
  };
}
