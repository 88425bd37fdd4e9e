import { hash } from 'node:crypto';
import { formatNanos, parseNanos, parseTimeNanos } from '../../shared/time.ts';

/*
 * Members of a tael-server's rows. It writes null where it had a value that JSON has no form for, and other versions may
 * leave members out, so that a row lacks only what has to be there: its time, and a span its ids.
 */

export type Members = Readonly<Record<string, unknown>>;

export function membersOf(value: unknown): Members | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Members)
    : undefined;
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Ids and the like, which are not there when they are empty. */
export function idOf(value: unknown): string | null {
  return textOf(value) || null;
}

export function wordOf<const W extends string>(value: unknown, words: readonly W[], otherwise: W): W {
  return words.find(word => word === value) ?? otherwise;
}

/** Attributes, in an order that depends on their names alone. */
export function textsOf(value: unknown): Readonly<Record<string, string>> {
  const texts = Object.entries(membersOf(value) ?? {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return Object.fromEntries(texts.sort(([a], [b]) => (a < b ? -1 : 1)));
}

export interface TaelTime {
  readonly ns: bigint;
  /** As the read API has it. */
  readonly text: string;
}

/** Contract §0.2, form 1, which it prints almost always, or any other RFC 3339 time. */
export function timeOf(value: unknown): TaelTime | undefined {
  const text = textOf(value);
  const printedNs = parseNanos(text);
  if (printedNs !== undefined) return { ns: printedNs, text };
  const ns = parseTimeNanos(text);
  return ns === undefined ? undefined : { ns, text: formatNanos(ns) };
}

/** An id as a part of a sort key. It may be any text; what is no id of OTLP gets digits that are its own. */
export function idKey(id: string | null, digits: 16 | 32): string {
  if (id === null) return '';
  return id.length === digits && /^[0-9a-f]+$/.test(id) ? id : hash('sha256', id).slice(0, digits);
}

/** The last part of the keys of rows without an id: a hash of what they say. */
export function tieOf(rowJson: string): string {
  return hash('sha256', rowJson).slice(0, 16);
}

/** What our shards add to a row. Whatever of it a tael-server was sent, it has not kept. */
export const NOTHING_MORE = '"otlp":{},"resource":{},"scope":{}';
