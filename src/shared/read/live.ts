/**
 * The live feed of a shard: `GET /internal/v1/live/spans` and `/live/logs`, Server-Sent Events. Each event is one line
 * `data: <JSON array of rows>` and an empty line, for each commit, after it; never for a repeat. Filters `service`
 * and `status` (spans) or `severity` (logs) compare exactly; with one set, events without rows are left out. Rows are
 * ASCII JSON. Every 15 s without an event comes a comment. Rows that a slow subscriber lost are announced by a
 * comment `: dropped <n>`. The stream is never ended cleanly: on shutdown its socket is destroyed.
 */
export const LIVE_KINDS = ['spans', 'logs'] as const;
export type LiveKind = (typeof LIVE_KINDS)[number];
