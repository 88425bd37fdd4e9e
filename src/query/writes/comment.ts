import { writePath } from '../../shared/read/writes.ts';
import { traceKey } from '../../shared/topology/shard-key.ts';
import { badValue, commentedTraceParam, type Param } from '../params.ts';
import { decoded, member, parseJsonBody } from './json-body.ts';
import { postJson, refused, type Write } from './write.ts';

/** Ids of spans in any case, and of whatever else is in what the comment is about. */
const commentedSpan: Param<string> = {
  accepts: commentedTraceParam.accepts,
  decode: text => (/^[0-9a-f]{16}$/i.test(text) ? text.toLowerCase() : commentedTraceParam.decode(text)),
};

const NOBODY = 'anonymous';

export const COMMENT_BODY = member.object({
  body: member.text,
  author: member.optionalText,
  span_id: decoded(commentedSpan),
});

/**
 * `POST /api/v1/traces/{trace_id}/comments` (read API contract §1.2), 201 `{"comment": …}`. The trace need not exist,
 * nor its id be one of OTLP.
 */
export const commentWrite: Write = {
  name: 'comment',
  path: '/api/v1/traces/:traceId/comments',

  plan(request, { nowNs, identity }) {
    const text = request.path.traceId ?? '';
    const traceId = commentedTraceParam.decode(text);
    if (traceId === undefined) return refused(badValue('trace id', text, commentedTraceParam.accepts));
    const parsed = parseJsonBody(request, COMMENT_BODY);
    if (parsed.kind === 'refused') return parsed;
    const { body, author = NOBODY, span_id: spanId } = parsed.value;
    const createdNs = nowNs.toString();
    return {
      kind: 'write',
      key: traceKey(traceId),
      embedded: postJson(writePath('comment'), { ...identity, traceId, spanId, author, body, createdNs }),
      tael: postJson(`/api/v1/traces/${encodeURIComponent(traceId)}/comments`, {
        body,
        author,
        span_id: spanId,
      }),
      answer: row => `{"comment":${row}}`,
    };
  },
};
