import { z } from 'zod';
import { formatNanosWithOffset, parseNanos } from '../../shared/time.ts';
import { sorted } from '../merge/figures.ts';
import { mergeRows } from '../merge/k-way.ts';
import { compareUtf8 } from '../merge/key-order.ts';
import type { RowPart } from '../merge/row-part.ts';
import { statesOf } from '../merge/states.ts';
import { missingParam, parseParams, traceIdParam } from '../params.ts';
import { type Combined, membersOf, type Read, rowsMember, type ShardQuery } from './read.ts';
import { ask, type Rounds, runRounds, together } from './rounds.ts';
import { TRACE_MERGE } from './trace.ts';

/** Of the log records and of the metric points. */
const MOST_ROWS = 500;

/**
 * `GET /api/v1/correlate`: what else is known of a trace and its time: its newest log records, and the first metric points
 * of every service that it touched (read API contract §1.4, and §3.9, of whose two rule sets the documented one).
 */
export const correlateRead: Read = {
  name: 'correlate',
  path: '/api/v1/correlate',

  plan({ search }) {
    const parsed = parseParams(search, { trace: traceIdParam });
    if (parsed.kind === 'bad') return parsed;
    const { trace } = parsed.values;
    if (trace === undefined) return { kind: 'bad', error: missingParam('trace', traceIdParam.accepts) };
    return { kind: 'states', answer: shards => runRounds(shards, correlate(trace)), fieldsOf };
  },
};

/** The rows under their names; of the trace itself there are figures. */
function fieldsOf({ name }: ShardQuery): readonly string[] {
  return name === 'trace'
    ? ['span_count', 'services', 'start_time', 'end_time', 'duration_ms', 'error_count']
    : [name];
}

function* correlate(traceId: string): Rounds<Combined> {
  const [traceParts, logParts] = yield* together(
    ask('trace', { traceId }),
    ask('logs', { traceId, limit: MOST_ROWS }),
  );
  const spans = spansOf(traceParts);
  const [startNs] = sorted(spans.map(span => span.start_time));
  const endNs = sorted(spans.map(span => span.end_time)).at(-1);
  if (startNs === undefined || endNs === undefined) return { kind: 'not-found', what: 'trace' };

  const services = [...new Set(spans.map(({ service }) => service))].sort(compareUtf8);
  const metricParts = yield* ask('metrics', {
    services,
    fromNs: String(startNs),
    toNs: String(endNs),
    oldestFirst: true,
    limit: MOST_ROWS,
  });
  const trace = membersOf({
    trace_id: traceId,
    span_count: spans.length,
    services,
    start_time: formatNanosWithOffset(startNs),
    end_time: formatNanosWithOffset(endNs),
    duration_ms: Number((endNs - startNs) / NANOS_PER_MICROSECOND) / 1000,
    error_count: spans.filter(({ status }) => status === 'error').length,
  });
  const logs = mergeRows({
    parts: logParts,
    order: ['descending', 'descending', 'descending', 'descending', 'descending'],
    limit: MOST_ROWS,
  });
  const metrics = mergeRows({
    parts: metricParts,
    order: ['ascending', 'ascending', 'ascending', 'ascending'],
    limit: MOST_ROWS,
  });
  return {
    kind: 'found',
    members: [trace, rowsMember('logs', logs), rowsMember('metrics', metrics)].join(','),
  };
}

const NANOS_PER_MICROSECOND = 1000n;

const time = z.string().transform((text, context) => {
  const nanos = parseNanos(text);
  if (nanos !== undefined) return nanos;
  context.addIssue('expected a time');
  return z.NEVER;
});
const spanRow = z.object({ service: z.string(), status: z.string(), start_time: time, end_time: time });

/** The spans of all shards, each once: the same ones that `GET /api/v1/traces/{trace_id}` shows. */
function spansOf(parts: readonly RowPart[]): readonly z.output<typeof spanRow>[] {
  const rows = mergeRows({ ...TRACE_MERGE, parts });
  try {
    return rows.map(row => spanRow.parse(JSON.parse(row)));
  } catch {
    // Looks at every row of every shard, to throw what names the one that sent it.
    return statesOf(parts, row => spanRow.safeParse(row).data);
  }
}
