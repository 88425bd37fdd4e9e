import { z } from 'zod';
import { EVAL_SCORE, EVAL_SPAN } from '../../shared/read/evals.ts';
import type { CommentRow } from '../../shared/read/model.ts';
import { decoderOf, everyRow } from '../merge/every-row.ts';
import type { ShardReads } from '../reads/read.ts';

/* What evals are derived from (contract §1.5), over everything stored, the newest first where the order matters. */

const texts = z.record(z.string(), z.string());

const evalSpan = z.object({
  trace_id: z.string(),
  start_time: z.string(),
  end_time: z.string(),
  duration_ms: z.number(),
  status: z.string(),
  attributes: texts,
});
const scorePoint = z.object({
  timestamp: z.string(),
  value: z.number().nullable(),
  value_text: z.enum(['NaN', 'Infinity', '-Infinity']).optional(),
  attributes: texts,
});
const commentRow: z.ZodType<CommentRow> = z.object({
  id: z.string(),
  trace_id: z.string(),
  span_id: z.string().nullable(),
  author: z.string(),
  body: z.string(),
  created_at: z.string(),
});

export type EvalSpan = z.output<typeof evalSpan>;
export type ScorePoint = z.output<typeof scorePoint>;

/** Spans of the cases of one run, or of all runs. */
export function evalSpans(shards: ShardReads, runId: string | undefined): AsyncGenerator<EvalSpan> {
  return everyRow(shards, {
    name: 'spans',
    request: {
      bare: true,
      attributes: runId === undefined ? [] : [[EVAL_SPAN.runId, runId]],
      attributeKeys: [EVAL_SPAN.runId, EVAL_SPAN.caseId],
    },
    order: ['descending', 'descending', 'descending'],
    identity: ([, traceId, spanId]) => `${traceId} ${spanId}`,
    decode: decoderOf(evalSpan),
  });
}

/** Scores of one run, or of all runs. Points without a case or a metric are among them. */
export function scorePoints(shards: ShardReads, runId: string | undefined): AsyncGenerator<ScorePoint> {
  return everyRow(shards, {
    name: 'metrics',
    request: { bare: true, name: EVAL_SCORE, attributes: runId === undefined ? [] : [['run_id', runId]] },
    order: ['descending', 'descending', 'descending', 'descending'],
    decode: decoderOf(scorePoint),
  });
}

/** 35 bytes each as JSON; a shard takes requests of up to 1 MiB. */
const TRACES_PER_REQUEST = 10_000;

/** Comments on the traces, oldest first on each of them. */
export async function* commentsOn(
  shards: ShardReads,
  traceIds: readonly string[],
): AsyncGenerator<CommentRow> {
  for (let from = 0; from < traceIds.length; from += TRACES_PER_REQUEST) {
    yield* everyRow(shards, {
      name: 'comments',
      request: { traceIds: traceIds.slice(from, from + TRACES_PER_REQUEST) },
      order: ['ascending', 'ascending'],
      identity: ([, id]) => id as string,
      decode: decoderOf(commentRow),
    });
  }
}
