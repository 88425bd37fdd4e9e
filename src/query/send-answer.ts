import type { Response } from 'express';
import { dropWhenStalled } from '../shared/drop-when-stalled.ts';
import type { Answer, StreamedAnswer } from './answer.ts';
import { MISSING_HEADER, PARTIAL_HEADER } from './completeness.ts';

/** Sends an answer no faster than its client takes it; one that takes nothing for too long is dropped. */
export async function sendAnswer(answer: Answer, response: Response, stallMs?: number): Promise<void> {
  response.type('json');
  if (answer.kind === 'streamed') return sendPieces(answer, response, stallMs);
  if (answer.contentType !== undefined) response.type(answer.contentType);
  response.status(answer.status).set(answer.headers).send(answer.body);
  dropWhenStalled(response, stallMs);
}

const TRAILER = `${PARTIAL_HEADER}, ${MISSING_HEADER}`;

async function sendPieces(
  { pieces, trailers }: StreamedAnswer,
  response: Response,
  stallMs: number | undefined,
): Promise<void> {
  const { method, httpVersionMajor, httpVersionMinor } = response.req;
  if (method === 'HEAD') return void response.end();
  // Trailers come with chunks, which HTTP/1.0 does not know; the body says the same at its end.
  const hasTrailers = httpVersionMajor > 1 || httpVersionMinor >= 1;
  if (hasTrailers) response.set('Trailer', TRAILER);
  for await (const piece of pieces) {
    if (!response.write(piece)) await drained(response, stallMs);
    if (response.destroyed) return;
  }
  if (hasTrailers) response.addTrailers(trailers());
  response.end();
  dropWhenStalled(response, stallMs);
}

/** Settles when the client has taken what was written, or is gone. The time that shards take is not its own. */
async function drained(response: Response, stallMs: number | undefined): Promise<void> {
  if (response.destroyed) return;
  const stopWatch = dropWhenStalled(response, stallMs);
  await new Promise<void>(resolve => {
    const settle = () => {
      response.off('drain', settle).off('close', settle);
      resolve();
    };
    response.on('drain', settle).on('close', settle);
  });
  stopWatch();
}
