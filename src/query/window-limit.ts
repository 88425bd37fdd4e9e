import { parseWindowNanos } from '../shared/time.ts';

/** A parameter that names a window. */
export type WindowName = 'last' | 'baseline';

const NANOS_PER_MS = 1_000_000n;

/** What is wrong with a window that is longer than the limit; 0 is no limit. The forms are for the read to check. */
export function windowError(
  search: URLSearchParams,
  { windows, maxWindowMs }: { readonly windows: readonly WindowName[]; readonly maxWindowMs: number },
): string | undefined {
  if (maxWindowMs === 0) return undefined;
  for (const name of windows) {
    const text = search.get(name);
    const windowNs = text === null ? undefined : parseWindowNanos(text);
    if (text === null || windowNs === undefined) continue;
    const error = windowFault({ name, text, windowNs }, maxWindowMs);
    if (error !== undefined) return error;
  }
  return undefined;
}

/** A window that nobody named, no longer than the limit; 0 is no limit. */
export function defaultWindow(windowNs: bigint, maxWindowMs: number): bigint {
  const mostNs = BigInt(maxWindowMs) * NANOS_PER_MS;
  return maxWindowMs === 0 || windowNs < mostNs ? windowNs : mostNs;
}

interface NamedWindow {
  readonly name: string;
  readonly text: string;
  readonly windowNs: bigint;
}

export function windowFault({ name, text, windowNs }: NamedWindow, maxWindowMs: number): string | undefined {
  if (maxWindowMs === 0 || windowNs <= BigInt(maxWindowMs) * NANOS_PER_MS) return undefined;
  return `bad ${name} "${text}": expected at most ${maxWindowMs / 1000}s (query.maxWindow)`;
}
