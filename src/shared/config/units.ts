const BYTES_PER_UNIT = { '': 1, B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const;
const MS_PER_UNIT = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export const SIZE_FORMS = 'a whole number with B, KiB, MiB, GiB or TiB (64MiB), or bare bytes';
export const POSITIVE_DURATION_FORMS = 'a whole number above 0 with ms, s, m, h or d (500ms, 15m)';
export const DURATION_SETTING_FORMS = 'a whole number with ms, s, m, h or d (500ms, 15m); 0 needs no unit';

/** Bytes, or `undefined` when the text is not one of {@link SIZE_FORMS}. */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^(\d{1,15})\s?(B|KiB|MiB|GiB|TiB)?$/.exec(text.trim());
  if (match === null) return undefined;
  const bytes = Number(match[1]) * BYTES_PER_UNIT[(match[2] ?? '') as keyof typeof BYTES_PER_UNIT];
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Milliseconds, or `undefined` when the text is not one of {@link POSITIVE_DURATION_FORMS}. */
export function parsePositiveDurationMs(text: string): number | undefined {
  return parseDurationMs(text) || undefined;
}

/** Milliseconds, or `undefined` when the text is not one of {@link DURATION_SETTING_FORMS}. */
export function parseDurationMs(text: string): number | undefined {
  if (text.trim() === '0') return 0;
  const match = /^(\d{1,12})\s?(ms|s|m|h|d)$/.exec(text.trim());
  if (match === null) return undefined;
  const ms = Number(match[1]) * MS_PER_UNIT[match[2] as keyof typeof MS_PER_UNIT];
  return Number.isSafeInteger(ms) ? ms : undefined;
}
