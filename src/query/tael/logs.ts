import { SEVERITIES } from '../../shared/read/contract.ts';
import type { LogRow } from '../../shared/read/model.ts';
import { nanosKey, rowLine } from '../../shared/read/ndjson.ts';
import { createTextMatch, parseTextQuery } from '../../shared/text/text-query.ts';
import { idKey, idOf, membersOf, NOTHING_MORE, textOf, textsOf, tieOf, timeOf, wordOf } from './members.ts';
import type { TaelSignal } from './signal.ts';

export interface TaelLog {
  readonly timeNs: bigint;
  readonly observedNs: bigint;
  readonly row: Omit<LogRow, 'otlp' | 'resource' | 'scope'>;
}

/** Log records of a tael-server (contract §1.3). Bodies that it keeps as blobs are not looked into. */
export const LOGS: TaelSignal<'logs', TaelLog> = {
  name: 'logs',
  path: '/api/v1/logs',
  member: 'logs',
  what: 'log records',
  isNewestFirst: () => true,

  decode(value) {
    const log = membersOf(value);
    const time = timeOf(log?.timestamp);
    if (log === undefined || time === undefined) return undefined;
    const observed = timeOf(log.observed_timestamp) ?? time;
    const bodySha256 = idOf(log.body_sha256);
    const row: TaelLog['row'] = {
      timestamp: time.text,
      observed_timestamp: observed.text,
      trace_id: idOf(log.trace_id),
      span_id: idOf(log.span_id),
      severity: wordOf(log.severity, SEVERITIES, 'unspecified'),
      severity_text: textOf(log.severity_text),
      body: textOf(log.body),
      ...(bodySha256 !== null && { body_sha256: bodySha256 }),
      service: textOf(log.service),
      attributes: textsOf(log.attributes),
    };
    return { timeNs: time.ns, observedNs: observed.ns, row };
  },

  params: ({ service, severity, bodyContains, traceId }) => [
    ['service', service],
    ['severity', severity],
    ['body_contains', bodyContains],
    ['trace_id', traceId],
  ],

  matches({ row }, { service, severity, bodyContains, traceId, text }) {
    return (
      (service === undefined || row.service === service) &&
      (severity === undefined || row.severity === severity) &&
      (bodyContains === undefined || row.body.includes(bodyContains)) &&
      (traceId === undefined || row.trace_id === traceId) &&
      (text === undefined || holds(row.body, text))
    );
  },

  key: ({ timeNs, observedNs, row }) => [
    nanosKey(timeNs),
    nanosKey(observedNs),
    idKey(row.trace_id, 32),
    idKey(row.span_id, 16),
    tieOf(JSON.stringify(row)),
  ],

  line: (key, { row }) => rowLine(key, `${JSON.stringify(row).slice(0, -1)},${NOTHING_MORE}}`),
};

function holds(body: string, text: string): boolean {
  const match = createTextMatch(parseTextQuery(text));
  match.add(body);
  return match.isFound;
}
