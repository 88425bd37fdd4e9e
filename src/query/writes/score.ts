import { EVAL_SCORE } from '../../shared/read/evals.ts';
import type { MetricRow } from '../../shared/read/model.ts';
import { writePath } from '../../shared/read/writes.ts';
import { nameKey } from '../../shared/topology/shard-key.ts';
import { scoreOf } from '../evals/score.ts';
import { member, parseJsonBody } from './json-body.ts';
import { postJson, type Write } from './write.ts';

export const SCORE_BODY = member.object({
  run_id: member.nonBlank,
  case_id: member.nonBlank,
  metric: member.nonBlank,
  value: member.finite,
  suite_id: member.optionalText,
  trace_id: member.optionalText,
  span_id: member.optionalText,
  scorer: member.optionalText,
  label: member.optionalText,
  rationale_sha256: member.optionalText,
  source: member.optionalText,
});

/** `POST /api/v1/evals/scores` (read API contract §1.5), 201 `{"score": Score}`: a point of {@link EVAL_SCORE}. */
export const scoreWrite: Write = {
  name: 'score',
  path: '/api/v1/evals/scores',

  plan(request, { nowNs, identity }) {
    const parsed = parseJsonBody(request, SCORE_BODY);
    if (parsed.kind === 'refused') return parsed;
    const { value, ...attributes } = parsed.value;
    return {
      kind: 'write',
      key: nameKey(EVAL_SCORE),
      embedded: postJson(writePath('score'), { ...identity, timeNs: nowNs.toString(), value, attributes }),
      tael: postJson('/api/v1/evals/scores', parsed.value),
      answer: row => JSON.stringify({ score: scoreOf(JSON.parse(row) as MetricRow) }),
    };
  },
};
