import { SPAN_STATUSES } from '../../shared/read/contract.ts';
import { EVAL_SPAN } from '../../shared/read/evals.ts';
import { writePath } from '../../shared/read/writes.ts';
import { formatNanosWithOffset, parseTimeNanos, TIME_FORMS } from '../../shared/time.ts';
import { traceKey } from '../../shared/topology/shard-key.ts';
import { type Param, word } from '../params.ts';
import { decoded, member, parseJsonBody, required } from './json-body.ts';
import { postJson, type Write } from './write.ts';

const time = decoded({ accepts: TIME_FORMS, decode: parseTimeNanos });

/** Ids of OTLP come in any case and are stored in lower case. */
function otlpId(digits: 16 | 32): Param<string> {
  const form = new RegExp(`^(?!0+$)[0-9a-f]{${digits}}$`);
  return {
    accepts: `${digits} hex digits that are not all 0`,
    decode: text => form.exec(text.toLowerCase())?.[0],
  };
}

export const RUNNER_SPAN_BODY = member.object({
  suite_id: member.nonBlank,
  run_id: member.nonBlank,
  case_id: member.nonBlank,
  trace_id: required(otlpId(32)),
  span_id: required(otlpId(16)),
  case_index: member.optionalCount,
  case_count: member.optionalCount,
  code_version: member.optionalText,
  status: decoded(word(SPAN_STATUSES)),
  start_time: time,
  end_time: time,
  duration_ms: member.optionalMilliseconds,
});

/**
 * `POST /api/v1/evals/runner-spans` (read API contract §1.5), 201 `{"span": Span}`. Posted again with the same ids it
 * replaces the span. Without a start it starts now; without an end it lasts `duration_ms`, or no time; an end before the
 * start counts as the start.
 */
export const runnerSpanWrite: Write = {
  name: 'runner span',
  path: '/api/v1/evals/runner-spans',

  plan(request, { nowNs, identity }) {
    const parsed = parseJsonBody(request, RUNNER_SPAN_BODY);
    if (parsed.kind === 'refused') return parsed;
    const span = parsed.value;
    const startNs = span.start_time ?? nowNs;
    const endNs = later(span.end_time ?? startNs + nanosOf(span.duration_ms ?? 0), startNs);
    const status = span.status ?? 'unset';
    return {
      kind: 'write',
      key: traceKey(span.trace_id),
      replaces: { traceId: span.trace_id, spanId: span.span_id },
      embedded: postJson(writePath('runnerSpan'), {
        ...identity,
        traceId: span.trace_id,
        spanId: span.span_id,
        startNs: startNs.toString(),
        endNs: endNs.toString(),
        status,
        attributes: {
          [EVAL_SPAN.suiteId]: span.suite_id,
          [EVAL_SPAN.runId]: span.run_id,
          [EVAL_SPAN.caseId]: span.case_id,
          [EVAL_SPAN.role]: 'runner',
          [EVAL_SPAN.caseIndex]: span.case_index?.toString(),
          [EVAL_SPAN.caseCount]: span.case_count?.toString(),
          [EVAL_SPAN.codeVersion]: span.code_version,
        },
      }),
      tael: postJson('/api/v1/evals/runner-spans', {
        ...span,
        status,
        start_time: formatNanosWithOffset(startNs),
        end_time: formatNanosWithOffset(endNs),
        duration_ms: Number(endNs - startNs) / NANOS_PER_MS,
      }),
      answer: row => `{"span":${row}}`,
    };
  },
};

const NANOS_PER_MS = 1e6;

function nanosOf(durationMs: number): bigint {
  return BigInt(Math.round(durationMs * NANOS_PER_MS));
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
