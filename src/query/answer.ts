import {
  type Completeness,
  completenessHeaders,
  completenessOf,
  nameMissing,
  PARTIAL_HEADER,
} from './completeness.ts';
import { explained } from './explain.ts';
import type { Slot } from './fan-out.ts';
import { RETRY_LATER } from './gate.ts';
import type { InexactField } from './inexact.ts';
import type { ReadCost } from './read-figures.ts';
import type { Combined, RefusedQuestion } from './reads/read.ts';

export interface WholeAnswer {
  readonly kind: 'whole';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text, but for a blob. */
  readonly body: Buffer;
  /** Absent for JSON. */
  readonly contentType?: string;
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

/** Whether a shard is missing from an answer, of which the client has all by now. */
export function isPartial(answer: Answer): boolean {
  return PARTIAL_HEADER in (answer.kind === 'whole' ? answer.headers : answer.trailers());
}

/** What the read cost, when the client wants to know. */
export type TellCost = () => ReadCost | undefined;

export interface AnswerOptions {
  readonly isStrict: boolean;
  readonly tellCost: TellCost;
  /** Members that are not exact; absent where every member is. */
  readonly inexact?: readonly InexactField[] | undefined;
}

/**
 * Found although shards are missing is an answer, unless the client asked for all or nothing; not found while shards
 * are missing is not known, so it is 404 only when every shard said no. The question is at fault when no shard could
 * answer it and one says what is wrong with it.
 */
export function answerOf(
  combined: Combined,
  slots: readonly Slot<unknown>[],
  { isStrict, tellCost, inexact }: AnswerOptions,
): WholeAnswer {
  const shards = completenessOf(slots);
  const isPartial = shards.failed.length > 0;
  const refuse = (status: 404 | 503, error: string) =>
    envelope(status, shards, errorMember(error), { tellCost });

  if (combined.kind === 'refused') return refusal(combined.status, combined.error);
  const hasAnswer = slots.some(slot => 'value' in slot);
  const fault = slots.find(slot => slot.kind === 'refused');
  const mayBeAnswered = hasAnswer || slots.some(slot => slot.kind === 'abandoned');
  if (fault !== undefined && !mayBeAnswered) return refusal(400, fault.reason);
  if (isPartial && isStrict) {
    return refuse(503, `partial=false and not every shard answered: ${nameMissing(shards)}`);
  }
  if (!hasAnswer) return refuse(503, `no shard answered: ${nameMissing(shards)}`);
  if (combined.kind === 'found') {
    return envelope(200, shards, combined.members, { tellCost, inexact });
  }
  if (!isPartial) return refuse(404, `${combined.what} not found`);
  return refuse(503, `${combined.what} not found, but not every shard answered: ${nameMissing(shards)}`);
}

/** What an answer is made of that begins before its end is known. The last two are, when all pieces were taken. */
interface StreamedMembers {
  readonly pieces: AsyncIterable<Buffer>;
  readonly slots: () => readonly Slot<unknown>[];
  readonly inexact: () => readonly InexactField[];
}

/** Rows of which only some are held. */
export function streamedAnswerOf(members: StreamedMembers, tellCost: TellCost): StreamedAnswer {
  return {
    kind: 'streamed',
    pieces: enveloped(members, tellCost),
    trailers: () => completenessHeaders(completenessOf(members.slots())),
  };
}

async function* enveloped(
  { pieces, slots, inexact }: StreamedMembers,
  tellCost: TellCost,
): AsyncGenerator<Buffer> {
  yield OPENING_BRACE;
  yield* pieces;
  yield ending(completenessOf(slots()), { tellCost, inexact: inexact() });
}

/** With what shards were asked for. */
export function envelope(
  status: number,
  shards: Completeness,
  members: string | readonly Buffer[],
  more: Omit<AnswerOptions, 'isStrict'>,
): WholeAnswer {
  const pieces = typeof members === 'string' ? [Buffer.from(members)] : members;
  const body = Buffer.concat([OPENING_BRACE, ...pieces, ending(shards, more)]);
  return { kind: 'whole', status, headers: completenessHeaders(shards), body };
}

const OPENING_BRACE = Buffer.from('{');

function ending(shards: Completeness, { tellCost, inexact = [] }: Omit<AnswerOptions, 'isStrict'>): Buffer {
  const cost = tellCost();
  const members = [
    ...(inexact.length === 0 ? [] : [`"exact":false,"inexact":${JSON.stringify(inexact)}`]),
    `"partial":${shards.failed.length > 0},"shards":${JSON.stringify(shards)}`,
    ...(cost === undefined ? [] : [`"explain":${JSON.stringify(explained(cost))}`]),
  ];
  return Buffer.from(`,${members.join(',')}}`);
}

export function refusal(status: RefusedQuestion['status'], error: string): WholeAnswer {
  const headers = status === 503 ? RETRY_LATER : {};
  return { kind: 'whole', status, headers, body: Buffer.from(`{${errorMember(error)}}`) };
}

/** Too much is asked at once; nothing is wrong with the question. */
export function busy(reason: string): WholeAnswer {
  return refusal(503, reason);
}

export function errorMember(error: string): string {
  return `"error":${JSON.stringify(error)}`;
}
