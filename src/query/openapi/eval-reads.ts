import { completeAnswer, errors } from './answers.ts';
import { type Area, parameter } from './openapi.ts';
import { OF_EVERY_READ, RUN_ID, shared } from './parameters.ts';
import { VALUE_TEXT } from './rows.ts';
import {
  count,
  countOrNull,
  described,
  listOf,
  mapOf,
  number,
  numberOrNull,
  object,
  oneOf,
  schemaRef,
  text,
  textOrNull,
  time,
  timeOrNull,
} from './schema.ts';

const OF_RUN = shared('runId', ...OF_EVERY_READ);

export const evalReads: Area = {
  paths: {
    '/api/v1/evals/runs': {
      get: {
        operationId: 'getEvalRuns',
        tags: ['evals'],
        summary: 'All runs, the last one that was worked on first',
        parameters: shared(...OF_EVERY_READ),
        responses: {
          '200': completeAnswer('By updated_at descending, runs without one last; then by run_id.', {
            runs: listOf(schemaRef('EvalRun')),
            count,
          }),
          ...errors('BadRequest', 'TooLarge', 'Unavailable'),
        },
      },
    },
    '/api/v1/evals/runs/{run_id}': {
      get: {
        operationId: 'getEvalRun',
        tags: ['evals'],
        summary: 'How one run stands',
        parameters: OF_RUN,
        responses: {
          '200': completeAnswer('The run.', { run: schemaRef('EvalRun') }),
          ...errors('BadRequest', 'NotFound', 'TooLarge', 'Unavailable'),
        },
      },
    },
    '/api/v1/evals/runs/{run_id}/cases': {
      get: {
        operationId: 'getEvalCases',
        tags: ['evals'],
        summary: 'The cases of a run, with the comments on their traces',
        parameters: OF_RUN,
        responses: {
          '200': completeAnswer('By case_id; none of a run that nobody knows.', {
            run_id: text,
            cases: listOf(schemaRef('EvalCase')),
            count,
          }),
          ...errors('BadRequest', 'TooLarge', 'Unavailable'),
        },
      },
    },
    '/api/v1/evals/runs/{run_id}/scores': {
      get: {
        operationId: 'getEvalScores',
        tags: ['evals'],
        summary: 'Every score of a run, newest first',
        parameters: OF_RUN,
        responses: {
          '200': completeAnswer('With those that newer ones replaced.', {
            run_id: text,
            scores: listOf(schemaRef('Score')),
            count,
          }),
          ...errors('BadRequest', 'TooLarge', 'Unavailable'),
        },
      },
    },
    '/api/v1/evals/runs/{run_id}/compare': {
      get: {
        operationId: 'compareEvalRuns',
        tags: ['evals'],
        summary: 'The scores of two runs side by side',
        parameters: [
          ...shared('runId'),
          parameter('baseline', {
            required: true,
            description: 'The run to compare with.',
            schema: RUN_ID,
            example: 'nightly-41',
          }),
          ...shared(...OF_EVERY_READ),
        ],
        responses: {
          '200': completeAnswer('By case_id, then by metric.', {
            current_run_id: text,
            baseline_run_id: text,
            cases: listOf(schemaRef('ScoreComparison')),
          }),
          ...errors('BadRequest', 'TooLarge', 'Unavailable'),
        },
      },
    },
  },
  schemas: {
    EvalRun: object({
      run_id: text,
      suite_id: textOrNull,
      code_version: textOrNull,
      status: oneOf(['failed', 'complete', 'running', 'unknown']),
      case_count: countOrNull,
      observed_cases: count,
      scored_cases: count,
      passed_cases: count,
      failed_cases: count,
      pending_cases: countOrNull,
      avg_scores: described(mapOf(number), 'The mean of each metric over the cases that have it.'),
      cost_usd: number,
      started_at: timeOrNull,
      updated_at: timeOrNull,
    }),
    EvalCase: object({
      run_id: text,
      suite_id: textOrNull,
      case_id: text,
      trace_id: textOrNull,
      status: oneOf(['pass', 'fail', 'running', 'pending']),
      started_at: timeOrNull,
      updated_at: timeOrNull,
      duration_ms: numberOrNull,
      scores: described(mapOf(number), 'By metric, the newest of each.'),
      labels: mapOf(text),
      cost_usd: number,
      comments: listOf(schemaRef('Comment')),
    }),
    Score: object(
      {
        timestamp: time,
        run_id: text,
        suite_id: textOrNull,
        case_id: text,
        trace_id: textOrNull,
        span_id: textOrNull,
        metric: text,
        scorer: textOrNull,
        label: textOrNull,
        value: numberOrNull,
      },
      { value_text: VALUE_TEXT },
    ),
    ScoreComparison: object({
      case_id: text,
      metric: text,
      current_value: numberOrNull,
      baseline_value: numberOrNull,
      delta: numberOrNull,
      current_trace_id: textOrNull,
      baseline_trace_id: textOrNull,
    }),
  },
};
