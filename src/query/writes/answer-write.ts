import type { Request, Response } from 'express';
import { drainRefused } from '../../shared/drain-refused.ts';
import { RETRY_LATER } from '../gate.ts';
import { runWrite, type WriteDeps } from './run-write.ts';
import type { Uploads } from './uploads.ts';
import type { Write } from './write.ts';

export interface AnswerWriteDeps extends WriteDeps {
  readonly uploads: Uploads;
  /** Told when a write was answered; without a status when its client did not wait. */
  readonly writeEnded: (ended: EndedWrite) => void;
}

export interface EndedWrite {
  /** {@link Write.name} */
  readonly write: string;
  readonly status: number | undefined;
  readonly durationMs: number;
}

/** Takes the body of a write, has it stored, and answers. */
export async function answerWrite(
  write: Write,
  deps: AnswerWriteDeps,
  { request, response }: { readonly request: Request; readonly response: Response },
): Promise<void> {
  const startMs = performance.now();
  const gone = new AbortController();
  response.once('close', () => {
    gone.abort();
    const status = response.writableFinished ? response.statusCode : undefined;
    deps.writeEnded({ write: write.name, status, durationMs: performance.now() - startMs });
  });
  const upload = await deps.uploads.read(request);
  switch (upload.kind) {
    case 'gone':
      return;
    case 'refused': {
      const { status, error } = upload;
      if (status === 503) response.set(RETRY_LATER);
      // Nothing else follows a body that was not read to its end.
      if (!request.complete) response.set('Connection', 'close');
      response.status(status).json({ error });
      if (!request.complete) drainRefused(request);
      return;
    }
    case 'body': {
      const { status, headers, body } = await runWrite(write, deps, {
        path: request.params as Record<string, string>,
        contentType: request.headers['content-type'],
        idempotencyKey: request.get('idempotency-key'),
        body: upload.body,
        gone: gone.signal,
      }).finally(upload.release);
      response.status(status).set(headers).type('json').send(body);
    }
  }
}
