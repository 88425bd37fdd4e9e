import { type Refusal, refuse } from './door.ts';

/**
 * How many request bytes may be in memory at once, over all doors of a process. Whoever takes bytes gives the same
 * number back.
 */
export interface ByteBudget {
  /** False when the bytes do not fit; nothing is taken then. */
  take(sizeBytes: number): boolean;
  give(sizeBytes: number): void;
}

export function createByteBudget(maxBytes: number): ByteBudget {
  let takenBytes = 0;
  return {
    take(sizeBytes) {
      if (takenBytes + sizeBytes > maxBytes) return false;
      takenBytes += sizeBytes;
      return true;
    },
    give(sizeBytes) {
      takenBytes -= sizeBytes;
    },
  };
}

export function overBudget(): Refusal {
  return refuse(
    'unavailable',
    'too many request bytes in memory; raise ingest.maxBytesInFlight or add replicas',
    1000,
  );
}
