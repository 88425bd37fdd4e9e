/*
 * What makes ordinary spans and metric points part of an eval (read API contract §1.5). They come from the SDK of the
 * evaluated app as well as through the write API.
 */

/** Attributes of spans; those with a run and a case belong to that case. */
export const EVAL_SPAN = {
  suiteId: 'tael.eval.suite_id',
  runId: 'tael.eval.run_id',
  caseId: 'tael.eval.case_id',
  role: 'tael.eval.role',
  caseIndex: 'tael.eval.case_index',
  caseCount: 'tael.eval.case_count',
  codeVersion: 'tael.eval.code_version',
} as const;

/** Name of the metric whose points are scores. */
export const EVAL_SCORE = 'tael_eval_score';
