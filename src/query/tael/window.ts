/** A shard's clock may be so far ahead of the proxy's, or the request so long on its way. */
const MARGIN_SECONDS = 5n;
const NANOS_PER_SECOND = 1_000_000_000n;

/**
 * `last` for a window that a tael-server, by its own clock, does not begin too late (contract F14); absent for
 * everything. It takes whole seconds.
 */
export function lastParam(fromNs: string | undefined, nowNs: bigint): string | undefined {
  if (fromNs === undefined || BigInt(fromNs) === 0n) return undefined;
  return String(secondsSince(fromNs, nowNs) + MARGIN_SECONDS);
}

/** Rounded up. */
export function secondsSince(fromNs: string, nowNs: bigint): bigint {
  const windowNs = nowNs - BigInt(fromNs);
  return windowNs <= 0n ? 0n : (windowNs + NANOS_PER_SECOND - 1n) / NANOS_PER_SECOND;
}

/** Inclusive bounds, which may be absent. */
export interface TimeBounds {
  readonly fromNs?: string | undefined;
  readonly toNs?: string | undefined;
}

/** Whether a time is inside: to be asked of many. */
export function createWindow({ fromNs, toNs }: TimeBounds): (timeNs: bigint) => boolean {
  const from = fromNs === undefined ? undefined : BigInt(fromNs);
  const to = toNs === undefined ? undefined : BigInt(toNs);
  return timeNs => (from === undefined || timeNs >= from) && (to === undefined || timeNs <= to);
}
