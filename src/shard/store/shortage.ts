/*
 * Failures for want of memory or of room on the disk, told by their text: DuckDB has no codes. As queries fail, as
 * appenders do, and as both and COMMIT do when no more of what is in memory may be put on the disk.
 */
const NO_MEMORY = /^Out of Memory Error|could not allocate block|failed to offload data block/;
const NO_ROOM = /No space left on device|Disk quota exceeded|ENOSPC|EDQUOT/;

export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && NO_MEMORY.test(error.message);
}

/** What to do about the failure; `undefined` when it is of another kind. */
export function remedyOf(error: unknown): string | undefined {
  if (isOutOfMemory(error)) return 'raise shard.memoryLimit';
  if (error instanceof Error && NO_ROOM.test(error.message)) return 'make room on its disk';
  return undefined;
}
