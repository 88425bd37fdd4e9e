import { type Completeness, completenessHeaders, completenessOf, nameMissing } from './completeness.ts';
import type { Slot } from './fan-out.ts';
import type { Combined } from './reads/read.ts';

export interface WholeAnswer {
  readonly kind: 'whole';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: Buffer;
}

/** An answer that is too large to be held until its end is known. Its status is 200. */
export interface StreamedAnswer {
  readonly kind: 'streamed';
  /** JSON text, made as it is taken. */
  readonly pieces: AsyncIterable<Buffer>;
  /** What the headers would have said, known when the last piece has been taken. */
  readonly trailers: () => Readonly<Record<string, string>>;
}

export type Answer = WholeAnswer | StreamedAnswer;

/**
 * Found although shards are missing is an answer, unless the client asked for all or nothing; not found while shards
 * are missing is not known, so it is 404 only when every shard said no.
 */
export function answerOf(
  combined: Combined,
  slots: readonly Slot<unknown>[],
  { isStrict }: { readonly isStrict: boolean },
): WholeAnswer {
  const shards = completenessOf(slots);
  const isPartial = shards.failed.length > 0;
  const refuse = (status: 404 | 503, error: string) => envelope(status, shards, errorMember(error));

  if (isPartial && isStrict) {
    return refuse(503, `partial=false and not every shard answered: ${nameMissing(shards)}`);
  }
  if (!slots.some(slot => 'value' in slot)) return refuse(503, `no shard answered: ${nameMissing(shards)}`);
  if (combined.kind === 'refused') return refusal(combined.status, combined.error);
  if (combined.kind === 'found') return envelope(200, shards, combined.members);
  if (!isPartial) return refuse(404, `${combined.what} not found`);
  return refuse(503, `${combined.what} not found, but not every shard answered: ${nameMissing(shards)}`);
}

/** Rows of which only some are held. */
export function streamedAnswerOf(
  pieces: AsyncIterable<Buffer>,
  slots: () => readonly Slot<unknown>[],
): StreamedAnswer {
  return {
    kind: 'streamed',
    pieces: enveloped(pieces, slots),
    trailers: () => completenessHeaders(completenessOf(slots())),
  };
}

async function* enveloped(
  pieces: AsyncIterable<Buffer>,
  slots: () => readonly Slot<unknown>[],
): AsyncGenerator<Buffer> {
  yield OPENING_BRACE;
  yield* pieces;
  yield ending(completenessOf(slots()));
}

/** With what shards were asked for. */
export function envelope(status: number, shards: Completeness, members: string | Buffer): WholeAnswer {
  const body = Buffer.concat([OPENING_BRACE, Buffer.from(members), ending(shards)]);
  return { kind: 'whole', status, headers: completenessHeaders(shards), body };
}

const OPENING_BRACE = Buffer.from('{');

function ending(shards: Completeness): Buffer {
  return Buffer.from(`,"partial":${shards.failed.length > 0},"shards":${JSON.stringify(shards)}}`);
}

export function refusal(status: 400 | 413, error: string): WholeAnswer {
  return { kind: 'whole', status, headers: {}, body: Buffer.from(`{${errorMember(error)}}`) };
}

export function errorMember(error: string): string {
  return `"error":${JSON.stringify(error)}`;
}
