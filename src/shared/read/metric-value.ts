import type { MetricRow } from './model.ts';

interface ValueMembers {
  readonly value: MetricRow['value'];
  readonly value_text?: MetricRow['value_text'] | undefined;
}

/**
 * JSON texts of a value's members: `null` for a value that JSON has no number for, which `value_text` then spells, and
 * for a point without a value.
 */
export function valueJson(value: number | null): {
  readonly value: string;
  readonly value_text: string | undefined;
} {
  if (value === null) return { value: 'null', value_text: undefined };
  if (!Number.isFinite(value)) return { value: 'null', value_text: JSON.stringify(String(value)) };
  // `JSON.stringify` writes -0 as 0, and a metric value must come back as it was.
  return { value: Object.is(value, -0) ? '-0' : JSON.stringify(value), value_text: undefined };
}

/** The value that the members say; `undefined` for a point without one. */
export function pointValue({ value, value_text }: ValueMembers): number | undefined {
  return value ?? (value_text === undefined ? undefined : Number(value_text));
}
