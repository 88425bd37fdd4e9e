import { z } from 'zod';
import { badValue } from '../params.ts';

/** Where a page ended, so that the next one can begin there. Clients take it as it is. */
export interface Cursor {
  /** Name of the read. */
  readonly read: string;
  /** Of the parameters that must stay the same. */
  readonly fingerprint: string;
  /** Start of the window, which does not move from page to page. */
  readonly fromNs?: string | undefined;
  /** Sort key of the last row. */
  readonly key: readonly string[];
  readonly shards: ReadonlyMap<string, CursorShard>;
}

interface CursorShard {
  /** The commit that every page is read at. */
  readonly asOf: string;
  /** How many of the shard's rows with the last key the pages so far have used up. */
  readonly given: number;
}

const FORMAT = 1;
const MAX_GIVEN = 1_000_000_000;

const cursorForm = z.strictObject({
  v: z.literal(FORMAT, `expected ${FORMAT}, the format that this version reads`),
  read: z.string('expected the name of a read'),
  query: z.string('expected a fingerprint'),
  from: z
    .string()
    .regex(/^\d{1,20}$/, 'expected nanoseconds')
    .optional(),
  key: z.array(z.string('expected text'), 'expected a sort key'),
  shards: z.record(
    z.string(),
    z.tuple([
      z.string('expected a commit number').regex(/^\d{1,20}$/, 'expected a commit number'),
      z
        .int('expected a number of rows')
        .min(0, 'expected a number of rows')
        .max(MAX_GIVEN, 'expected fewer rows')
        // JSON has a -0.
        .transform(Math.abs),
    ]),
    'expected commits by shard',
  ),
});

/** The JSON of {@link cursorForm} in base64url. */
export function encodeCursor({ read, fingerprint, fromNs, key, shards }: Cursor): string {
  const form: z.input<typeof cursorForm> = {
    v: FORMAT,
    read,
    query: fingerprint,
    from: fromNs,
    key: [...key],
    shards: Object.fromEntries([...shards].map(([id, { asOf, given }]) => [id, [asOf, given]])),
  };
  return Buffer.from(JSON.stringify(form)).toString('base64url');
}

export type DecodedCursor =
  | { readonly kind: 'cursor'; readonly cursor: Cursor }
  | { readonly kind: 'bad'; readonly error: string };

export function decodeCursor(text: string): DecodedCursor {
  const json = jsonOf(text);
  if (json === undefined) return { kind: 'bad', error: badValue('cursor', text, ACCEPTED) };
  const parsed = cursorForm.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue?.path.length ? `${issue.path.join('.')}: ` : '';
    return { kind: 'bad', error: badCursor(`${where}${issue?.message}`) };
  }
  const { read, query, from, key, shards } = parsed.data;
  const entries = Object.entries(shards).map(([id, [asOf, given]]) => [id, { asOf, given }] as const);
  return {
    kind: 'cursor',
    cursor: { read, fingerprint: query, fromNs: from, key, shards: new Map(entries) },
  };
}

const ACCEPTED = 'the next_cursor of an earlier answer';

export function badCursor(why: string): string {
  return `bad cursor: expected ${ACCEPTED}; ${why}`;
}

function jsonOf(text: string): unknown {
  if (!/^[\w-]+$/.test(text)) return undefined;
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    return undefined;
  }
}
