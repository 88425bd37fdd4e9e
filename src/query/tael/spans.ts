import { type ShardReadRequest, SPAN_STATUSES } from '../../shared/read/contract.ts';
import type { SpanEventRow, SpanRow } from '../../shared/read/model.ts';
import { nanosKey, rowLine } from '../../shared/read/ndjson.ts';
import { safeAttributes } from './attributes.ts';
import { idKey, idOf, membersOf, NOTHING_MORE, textOf, textsOf, timeOf, wordOf } from './members.ts';
import { requiredTerms } from './required-terms.ts';
import type { TaelSignal } from './signal.ts';

type SpanMembers = Omit<SpanRow, 'otlp' | 'resource' | 'scope'>;

export interface TaelSpan {
  readonly timeNs: bigint;
  readonly durationNs: bigint;
  readonly row: SpanMembers;
}

type SpanRequest = Partial<ShardReadRequest<'spans'>>;

const KINDS = ['internal', 'server', 'client', 'producer', 'consumer', 'llm'] as const;
const NANOS_PER_MS = 1e6;
/** A tael-server's durations are rounded to steps of 256 ns, as far as both ends are (contract D14). */
const ROUNDING_MS = 0.001;

/** Spans of a tael-server (contract §1.1). Of a text it tells the matches itself, by rules of its own. */
export const SPANS: TaelSignal<'spans', TaelSpan> = {
  name: 'spans',
  path: '/api/v1/traces',
  member: 'spans',
  what: 'spans',
  isNewestFirst: () => true,

  decode(value) {
    const span = membersOf(value);
    const [traceId, spanId] = [idOf(span?.trace_id), idOf(span?.span_id)];
    const start = timeOf(span?.start_time);
    if (span === undefined || traceId === null || spanId === null || start === undefined) return undefined;
    const end = timeOf(span.end_time) ?? start;
    const durationNs = end.ns - start.ns;
    const llm = membersOf(span.llm);
    const row: SpanMembers = {
      trace_id: traceId,
      span_id: spanId,
      parent_span_id: idOf(span.parent_span_id),
      service: textOf(span.service),
      operation: textOf(span.operation),
      start_time: start.text,
      end_time: end.text,
      duration_ms: Number(durationNs) / NANOS_PER_MS,
      status: wordOf(span.status, SPAN_STATUSES, 'unset'),
      attributes: textsOf(span.attributes),
      events: Array.isArray(span.events) ? span.events.flatMap(eventOf) : [],
      kind: wordOf(span.kind, KINDS, 'internal'),
      ...(llm !== undefined && { llm: llmOf(llm) }),
    };
    return { timeNs: start.ns, durationNs, row };
  },

  params({ service, operation, status, minDurationNs, maxDurationNs, attributes = [], text }) {
    return [
      ['text', text === undefined ? undefined : requiredTerms(text)],
      ['service', service],
      ['operation', operation],
      ['status', status],
      ['min_duration_ms', minDurationNs && String(Number(minDurationNs) / NANOS_PER_MS - ROUNDING_MS)],
      ['max_duration_ms', maxDurationNs && String(Number(maxDurationNs) / NANOS_PER_MS + ROUNDING_MS)],
      ...safeAttributes(attributes).map(([key, value]) => ['attribute', `${key}=${value}`] as const),
    ];
  },

  matches({ durationNs, row }, request) {
    const { service, operation, status, attributes = [], attributeKeys = [] } = request;
    return (
      (service === undefined || row.service === service) &&
      (operation === undefined || row.operation.includes(operation)) &&
      (status === undefined || row.status === status) &&
      isWithin(durationNs, request) &&
      attributes.every(([key, value]) => row.attributes[key] === value) &&
      attributeKeys.every(key => Object.hasOwn(row.attributes, key))
    );
  },

  key: ({ timeNs, row }) => [nanosKey(timeNs), idKey(row.trace_id, 32), idKey(row.span_id, 16)],

  line(key, { row }, { bare = false }) {
    const { events: _events, ...bareRow } = row;
    return rowLine(key, bare ? JSON.stringify(bareRow) : spanJson(row));
  },

  // A span that was sent again with another start is listed twice, and while it is moved to the cold tier (D12).
  identity: ({ row }) => `${row.trace_id} ${row.span_id}`,
};

/** A span in the order of its trace. */
export function spanOfTrace({ timeNs, row }: TaelSpan): { readonly key: string[]; readonly line: string } {
  const key = [nanosKey(timeNs), idKey(row.span_id, 16)];
  return { key, line: rowLine(key, spanJson(row)) };
}

function spanJson(row: SpanMembers): string {
  return `${JSON.stringify(row).slice(0, -1)},${NOTHING_MORE}}`;
}

function isWithin(durationNs: bigint, { minDurationNs, maxDurationNs }: SpanRequest): boolean {
  return (
    (minDurationNs === undefined || durationNs >= BigInt(minDurationNs)) &&
    (maxDurationNs === undefined || durationNs <= BigInt(maxDurationNs))
  );
}

function eventOf(value: unknown): SpanEventRow[] {
  const event = membersOf(value);
  const timestamp = timeOf(event?.timestamp)?.text;
  if (event === undefined || timestamp === undefined) return [];
  return [{ name: textOf(event.name), timestamp, attributes: textsOf(event.attributes) }];
}

function llmOf(llm: Readonly<Record<string, unknown>>): NonNullable<SpanRow['llm']> {
  return Object.fromEntries(
    Object.entries(llm).filter(
      (entry): entry is [string, string | number] =>
        typeof entry[1] === 'string' || typeof entry[1] === 'number',
    ),
  );
}
