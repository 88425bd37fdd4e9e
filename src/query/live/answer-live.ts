import type { ServerResponse } from 'node:http';
import { SEVERITIES, SPAN_STATUSES } from '../../shared/read/contract.ts';
import type { LiveKind } from '../../shared/read/live.ts';
import { anyText, parseParams, word } from '../params.ts';
import type { LiveFeed } from './live-feed.ts';

const PARAMS = {
  spans: { service: anyText, status: word(SPAN_STATUSES) },
  logs: { service: anyText, severity: word(SEVERITIES) },
} as const;

export interface LiveRefusal {
  readonly status: 400 | 503;
  readonly error: string;
}

/** `GET /api/v1/traces/live` and `/logs/live` (contract §1.1): hands the response to the feed, or says why not. */
export function answerLive(
  feed: LiveFeed,
  { kind, search, response }: { kind: LiveKind; search: URLSearchParams; response: ServerResponse },
): LiveRefusal | undefined {
  const parsed = parseParams(search, PARAMS[kind]);
  if (parsed.kind === 'bad') return { status: 400, error: parsed.error };
  const outcome = feed.subscribe({ kind, filter: parsed.values, response });
  return outcome === 'subscribed' ? undefined : { status: 503, error: outcome.refusal };
}
