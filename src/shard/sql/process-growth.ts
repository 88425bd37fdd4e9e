/** What `process.memoryUsage()` tells, in bytes. */
type MemoryUsage = Pick<NodeJS.MemoryUsage, 'rss' | 'heapTotal' | 'external'>;

/**
 * By how many bytes the process has grown since now, without what JavaScript holds or held in the meantime: bodies of
 * requests, above all. The allocator may keep what they took, so that it is their peak that counts. What was held
 * between two calls and let go of again is not seen.
 */
export function nativeGrowth(usage: () => MemoryUsage): () => number {
  const start = usage();
  const startBytes = javaScriptBytes(start);
  let peakBytes = startBytes;
  return () => {
    const now = usage();
    peakBytes = Math.max(peakBytes, javaScriptBytes(now));
    return now.rss - start.rss - (peakBytes - startBytes);
  };
}

function javaScriptBytes({ heapTotal, external }: MemoryUsage): number {
  return heapTotal + external;
}
