import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express';
import type { Logger } from 'pino';
import type { LiveKind } from '../shared/read/live.ts';
import { type Answer, isPartial } from './answer.ts';
import { addClosedDoors } from './closed-doors.ts';
import { answerLive } from './live/answer-live.ts';
import type { LiveFeed } from './live/live-feed.ts';
import { DOCUMENT } from './openapi/document.ts';
import { readBlob } from './read-blob.ts';
import { readSql } from './read-sql.ts';
import type { Readiness } from './readiness.ts';
import { anomaliesRead } from './reads/anomalies.ts';
import { commentsRead, traceCommentsRead } from './reads/comments.ts';
import { correlateRead } from './reads/correlate.ts';
import { evalCasesRead } from './reads/eval-cases.ts';
import { evalCompareRead } from './reads/eval-compare.ts';
import { evalRunRead } from './reads/eval-run.ts';
import { evalRunsRead } from './reads/eval-runs.ts';
import { evalScoresRead } from './reads/eval-scores.ts';
import { logsRead } from './reads/logs.ts';
import { metricsRead } from './reads/metrics.ts';
import { promqlRead } from './reads/promql.ts';
import type { Read, ReadQuery } from './reads/read.ts';
import { servicesRead } from './reads/services.ts';
import { summaryRead } from './reads/summary.ts';
import { traceRead } from './reads/trace.ts';
import { tracesRead } from './reads/traces.ts';
import { type ReadDeps, runRead } from './run-read.ts';
import { sendAnswer } from './send-answer.ts';
import type { QueryTelemetry } from './telemetry/telemetry.ts';
import { type AnswerWriteDeps, answerWrite } from './writes/answer-write.ts';
import { blobWrite } from './writes/blob.ts';
import { commentWrite } from './writes/comment.ts';
import { runnerSpanWrite } from './writes/runner-span.ts';
import { scoreWrite } from './writes/score.ts';
import type { Write } from './writes/write.ts';

export interface AppDeps extends ReadDeps, AnswerWriteDeps {
  readonly readiness: () => Promise<Readiness>;
  readonly live: LiveFeed;
  readonly requestEnded: QueryTelemetry['requestEnded'];
  readonly metrics: () => ReturnType<QueryTelemetry['scrape']>;
  readonly logger: Logger;
  /** How long a client may take nothing of its answer; see {@link dropWhenStalled}. */
  readonly stallMs?: number | undefined;
}

/** The routes of the read API. Every error is JSON. */
export function createApp(deps: AppDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', false);
  app.enable('case sensitive routing');
  app.enable('strict routing');

  const methods = new Map<string, string[]>();
  const allow = (path: string, ...more: string[]) =>
    methods.set(path, [...(methods.get(path) ?? []), ...more]);
  const get = (path: string, handler: (request: Request, response: Response) => Promise<void> | void) => {
    app.get(path, handler);
    allow(path, 'GET', 'HEAD');
  };
  const postWrite = (write: Write) => {
    app.post(write.path, (request: Request, response: Response) =>
      answerWrite(write, deps, { request, response }),
    );
    allow(write.path, 'POST');
  };
  const getAnswer = (name: string, path: string, answer: Ask) => {
    get(path, (request, response) => answerCounted(name, answer, deps, { request, response }));
  };
  const getRead = (read: Read) => {
    getAnswer(read.name, read.path, ({ path, search }, signal) =>
      runRead(read, deps, { query: { path, search }, signal }),
    );
  };
  const getLive = (path: string, kind: LiveKind) => {
    get(path, (request, response) => beginLive(deps.live, { kind, request, response }));
  };
  // Before `traces/:traceId`, which would take it for an id.
  getLive('/api/v1/traces/live', 'spans');
  getLive('/api/v1/logs/live', 'logs');
  getRead(tracesRead);
  getRead(traceRead);
  getRead(servicesRead);
  getRead(logsRead);
  getRead(metricsRead);
  getRead(summaryRead);
  getRead(anomaliesRead);
  getRead(correlateRead);
  getRead(traceCommentsRead);
  getRead(commentsRead);
  getRead(promqlRead);
  getAnswer('sql', '/api/v1/sql', ({ search }, signal) => readSql(deps, { search, signal }));
  getAnswer('blob', '/api/v1/blobs/:sha256', ({ path: { sha256 = '' }, search }, signal) =>
    readBlob(deps, { sha256, search, signal }),
  );
  for (const read of [evalRunsRead, evalRunRead, evalCasesRead, evalScoresRead, evalCompareRead])
    getRead(read);
  get('/healthz', (_request, response) => {
    response.type('text').send('ok');
  });
  get('/readyz', async (_request, response) => {
    const readiness = await deps.readiness();
    if (readiness.kind === 'ready') response.type('text').send('ready');
    else response.status(503).json({ error: readiness.reason });
  });
  get('/metrics', async (_request, response) => {
    const { contentType, text } = await deps.metrics();
    response.type(contentType).send(text);
  });
  const openApi = JSON.stringify(DOCUMENT);
  get('/openapi.json', (_request, response) => {
    response.type('json').send(openApi);
  });
  for (const write of [commentWrite, scoreWrite, runnerSpanWrite, blobWrite]) postWrite(write);
  for (const [path, allowed] of methods) app.all(path, refuseMethod(allowed));
  addClosedDoors(app);
  app.use((request, response) => {
    response.status(404).json({ error: `no such path: ${request.path}` });
  });
  app.use(reportError(deps.logger));
  return app;
}

/** Answers a question; the signal is aborted when the client has the answer or is gone. */
type Ask = (question: ReadQuery, signal: AbortSignal) => Promise<Answer>;

/** Sends an answer, and tells the metrics of its read how the request ended. */
async function answerCounted(
  read: string,
  ask: Ask,
  { requestEnded, stallMs }: AppDeps,
  { request, response }: { readonly request: Request; readonly response: Response },
): Promise<void> {
  const startMs = performance.now();
  const gone = new AbortController();
  let answer: Answer | undefined;
  response.once('close', () => {
    gone.abort(ENDED);
    const isWhole = response.writableFinished;
    requestEnded({
      read,
      status: isWhole ? response.statusCode : undefined,
      isPartial: isWhole && answer !== undefined && isPartial(answer),
      durationMs: performance.now() - startMs,
    });
  });
  const path = request.params as Record<string, string>;
  answer = await ask({ path, search: searchOf(request.url) }, gone.signal);
  if (gone.signal.aborted) return;
  await sendAnswer(answer, response, stallMs);
}

/** Made once: an abort without a reason takes a picture of the stack. */
const ENDED = new DOMException('the client has its answer or is gone', 'AbortError');

function beginLive(
  live: LiveFeed,
  {
    kind,
    request,
    response,
  }: { readonly kind: LiveKind; readonly request: Request; readonly response: Response },
): void {
  if (request.method === 'HEAD') return void response.type('text/event-stream').end();
  const refusal = answerLive(live, { kind, search: searchOf(request.url), response });
  if (refusal !== undefined) response.status(refusal.status).json({ error: refusal.error });
}

function searchOf(url: string): URLSearchParams {
  const mark = url.indexOf('?');
  return new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
}

function refuseMethod(allowed: readonly string[]) {
  const shown = allowed.filter(method => method !== 'HEAD').join(' and ');
  return (request: Request, response: Response) => {
    response
      .status(405)
      .set('Allow', allowed.join(', '))
      .json({ error: `method ${request.method} is not allowed, only ${shown} is` });
  };
}

/** Express gives what a client did wrong a 4xx status; everything else is a bug of ours, which only the log explains. */
function reportError(logger: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    const status = clientStatus(error);
    if (status === undefined) logger.error({ err: error, path: request.path }, 'read failed');
    if (response.headersSent) return next(error);
    response
      .status(status ?? 500)
      .json({ error: status === undefined ? 'internal error' : (error as Error).message });
  };
}

function clientStatus(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('status' in error) || typeof error.status !== 'number') return undefined;
  return error.status >= 400 && error.status < 500 ? error.status : undefined;
}
