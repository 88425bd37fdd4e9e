import { compareKeys, compareUtf8, type KeyOrder } from '../merge/key-order.ts';

/** A row line and the sort key that it begins with. */
export interface KeyedLine {
  readonly key: readonly string[];
  readonly line: string;
}

/** In a total order. */
export function sortLines(lines: readonly KeyedLine[], order: KeyOrder): KeyedLine[] {
  return lines.toSorted((a, b) => compareKeys(a.key, b.key, order) || compareUtf8(b.line, a.line));
}

interface PageOptions {
  readonly startAt?: readonly string[] | undefined;
  readonly limit: number;
  readonly order: KeyOrder;
}

/** Of sorted lines those from a key on. */
export function pageOf(
  lines: readonly KeyedLine[],
  { startAt, limit, order }: PageOptions,
): readonly KeyedLine[] {
  const start =
    startAt === undefined ? 0 : lines.findIndex(({ key }) => compareKeys(key, startAt, order) >= 0);
  return start < 0 ? [] : lines.slice(start, start + limit);
}
