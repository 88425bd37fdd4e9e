const NANOS_PER_UNIT: Readonly<Record<string, bigint>> = {
  y: 365n * 86_400_000_000_000n,
  w: 7n * 86_400_000_000_000n,
  d: 86_400_000_000_000n,
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
};

/** A duration of PromQL (`5m`, `1h30m`) above zero in nanoseconds; `undefined` when it is none. */
export function parsePromDurationNs(text: string): bigint | undefined {
  if (!/^(?:\d{1,9}(?:ms|[ywdhms]))+$/.test(text)) return undefined;
  let nanos = 0n;
  for (const [, count = '', unit = ''] of text.matchAll(/(\d+)(\D+)/g)) {
    nanos += BigInt(count) * (NANOS_PER_UNIT[unit] ?? 0n);
  }
  return nanos > 0n ? nanos : undefined;
}
