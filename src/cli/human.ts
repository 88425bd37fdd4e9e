/** Roughly how long, in the largest unit that leaves a whole number of at least 1: `42s`, `3h`, `2d`. */
export function ageText(ms: number): string {
  const [unit, size] = AGES.find(([, size]) => ms >= size) ?? (['s', 1000] as const);
  return `${Math.floor(Math.max(0, ms) / size)}${unit}`;
}

const AGES = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const;

/** Roughly how much: `512B`, `1.4MiB`. */
export function bytesText(bytes: number): string {
  const [unit, size] = SIZES.find(([, size]) => bytes >= size) ?? (['B', 1] as const);
  return size === 1 ? `${bytes}B` : `${(bytes / size).toFixed(1)}${unit}`;
}

const SIZES = [
  ['TiB', 1024 ** 4],
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
] as const;

export function percentText(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

/** `1 batch`, `2 batches`. */
export function countText(count: number, noun: string): string {
  if (count === 1) return `1 ${noun}`;
  return `${count} ${noun.endsWith('h') ? `${noun}es` : `${noun}s`}`;
}
