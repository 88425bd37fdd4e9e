/**
 * Buffers that serve again. Large buffers lie outside of V8's heap but count as its garbage, and a full collection
 * for every few megabytes of them costs as much as all other work on a request.
 */
export interface BufferPool {
  /** A buffer with whatever bytes it had before. */
  take(sizeBytes: number): Buffer;
  /** Takes a buffer back that nobody looks at any more. One that is not the pool's, or was given already, is left alone. */
  give(buffer: Buffer): void;
}

/** Smaller ones are cheap: Node cuts them from a common one. */
const MIN_BYTES = 4 * 1024;
/** Larger ones are rare, and would be kept for nothing. */
const MAX_BYTES = 4 * 1024 * 1024;

/** @param maxFreeBytes kept for later at most */
export function createBufferPool(maxFreeBytes: number): BufferPool {
  /** By size, which is a power of two. */
  const free = new Map<number, ArrayBuffer[]>();
  const taken = new WeakSet<ArrayBuffer>();
  let freeBytes = 0;

  return {
    take(sizeBytes) {
      if (sizeBytes < MIN_BYTES || sizeBytes > MAX_BYTES) return Buffer.allocUnsafe(sizeBytes);
      const capacity = 2 ** (32 - Math.clz32(sizeBytes - 1));
      let memory = free.get(capacity)?.pop();
      if (memory === undefined) memory = Buffer.allocUnsafeSlow(capacity).buffer;
      else freeBytes -= capacity;
      taken.add(memory);
      return Buffer.from(memory, 0, sizeBytes);
    },

    give({ buffer: memory }) {
      if (!(memory instanceof ArrayBuffer) || !taken.delete(memory)) return;
      const capacity = memory.byteLength;
      if (freeBytes + capacity > maxFreeBytes) return;
      freeBytes += capacity;
      const sameSize = free.get(capacity);
      if (sameSize === undefined) free.set(capacity, [memory]);
      else sameSize.push(memory);
    },
  };
}

/** Buffers that are used once. */
export const NO_POOL: BufferPool = { take: sizeBytes => Buffer.allocUnsafe(sizeBytes), give: () => {} };
