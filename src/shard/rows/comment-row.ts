import type { CommentRow } from '../../shared/read/model.ts';
import { formatNanosWithOffset } from '../../shared/time.ts';
import type { CommentRecord } from '../store/tables.ts';

export function commentRowJson({ id, traceId, spanId, author, body, createdNs }: CommentRecord): string {
  const row: CommentRow = {
    id,
    trace_id: traceId,
    span_id: spanId,
    author,
    body,
    created_at: formatNanosWithOffset(createdNs),
  };
  return JSON.stringify(row);
}
