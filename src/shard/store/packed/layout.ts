import type { Field } from './fields.ts';

/** How the records of a table are packed. */
export interface Layout<R> {
  readonly table: string;
  /** So many words has a record. */
  readonly words: number;
  /** Where among them each member begins. */
  readonly at: { readonly [Member in keyof R]: number };
  /** What is at those places. */
  readonly members: { readonly [Member in keyof R]: Field<R[Member]> };
  /** The same, in the order of the table's columns. */
  readonly fields: readonly LaidField<R>[];
}

interface LaidField<R> {
  readonly member: keyof R;
  /** Its place among the words of a record. */
  readonly offset: number;
  readonly field: Field<R[keyof R]>;
}

/** @param fields in the order of the table's columns, where the commit's own come last */
export function createLayout<R>(
  table: string,
  fields: { readonly [Member in keyof R]: Field<R[Member]> },
): Layout<R> {
  const laid: LaidField<R>[] = [];
  const at: Partial<Record<keyof R, number>> = {};
  // The first one is that of the origin.
  let words = 1;
  for (const [member, field] of Object.entries(fields) as [keyof R, Field<R[keyof R]>][]) {
    // What the origin tells is found from where the record begins.
    const offset = field.words === 0 ? 0 : words;
    laid.push({ member, offset, field });
    at[member] = offset;
    words += field.words;
  }
  return { table, words, at: at as Layout<R>['at'], members: fields, fields: laid };
}
