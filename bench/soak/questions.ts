import type { Question } from '../load/asker.ts';
import type { Chance } from '../shaped/chance.ts';
import { SPANS_PER_TRACE, traceIdText } from '../shaped/ids.ts';
import type { Holdings } from '../shaped/requests.ts';
import { BASE_NS, STEP_NS } from '../shaped/source.ts';

export interface Asked {
  readonly chance: Chance;
  readonly services: readonly string[];
  /** What has been sent so far, at least. */
  readonly sent: Holdings;
}

const HOUR_SECONDS = 3600;
const NS_PER_SECOND = 1e9;

/**
 * A question that people ask, each kind as likely as the next. Windows begin an hour before the newest data, which is dated
 * hundreds of times faster than it comes, so that an answer is of as much data at the end as at the beginning.
 */
export function nextQuestion({ chance, services, sent }: Asked): Question {
  const service = services[chance.below(services.length)];
  const attribute = encodeURIComponent(`enduser.id=user-${String(chance.below(200_000)).padStart(8, '0')}`);
  const last = (records: number) => `last=${lastHourSeconds(records)}s`;
  const trace = traceIdText(chance.below((0.9 * sent.traces) / SPANS_PER_TRACE));
  const paths = [
    `traces/${trace}`,
    `traces?service=${service}&limit=100`,
    `traces?attribute=${attribute}&${last(sent.traces)}`,
    `logs?service=${service}&severity=error&limit=100`,
    `metrics?service=${service}&limit=100`,
    `summary?${last(sent.traces)}`,
    'services',
  ];
  return { path: `/api/v1/${paths[chance.below(paths.length)]}` };
}

function lastHourSeconds(records: number): number {
  const newestSeconds = Number(BASE_NS) / NS_PER_SECOND + (records * STEP_NS) / NS_PER_SECOND;
  return Math.round(Date.now() / 1000 - newestSeconds) + HOUR_SECONDS;
}
