import { z } from 'zod';
import { READ_API_VERSION, SEVERITIES, SPAN_STATUSES } from './contract.ts';

/**
 * The live feed of a shard: `GET /internal/v1/live/spans` and `/live/logs` with the parameters below, answered with
 * Server-Sent Events (WHATWG HTML, §9.2) that follow contract §1.1: no `event:`, `id:` or `retry:`, LF only, ASCII
 * only (`\uXXXX`), no history.
 *
 * An event is one line `data: <JSON array of rows>` and an empty line. There is one for each batch that was stored,
 * after its commit and never for a repeat, runner spans included; a large batch comes as several. Filters compare
 * exactly. An event has at least one row.
 *
 * Comments: `:` after 15 s without an event; `: dropped <n>` where n rows are missing because the subscriber, or the
 * shard, did not keep up.
 *
 * The stream never ends cleanly: on shutdown its socket is destroyed. 400 for a bad parameter, 503 when there are too
 * many subscribers or the shard is stopping, both with `{"error"}`.
 */
export const LIVE_FILTERS = {
  spans: z.strictObject({ service: z.string().optional(), status: z.enum(SPAN_STATUSES).optional() }),
  logs: z.strictObject({ service: z.string().optional(), severity: z.enum(SEVERITIES).optional() }),
} as const;

export type LiveKind = keyof typeof LIVE_FILTERS;
export type LiveFilter<K extends LiveKind> = z.output<(typeof LIVE_FILTERS)[K]>;

export function livePath(kind: LiveKind): string {
  return `/internal/${READ_API_VERSION}/live/${kind}`;
}
