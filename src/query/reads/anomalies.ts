import {
  type Anomaly,
  compareAnomalies,
  errorAnomaly,
  FEWEST_SPANS,
  latencyAnomaly,
  type SpanCounts,
} from '../merge/anomaly-rules.ts';
import { anyText, badValue, parseParams, startOf, windowNanos } from '../params.ts';
import { defaultWindow } from '../window-limit.ts';
import { allGroups, type Group, type TooMany } from './groups.ts';
import { boundsOf, type Search, searchServices, settleByService } from './percentiles.ts';
import { type Combined, membersOf, type Read } from './read.ts';
import { type Rounds, runRounds, together } from './rounds.ts';
import { DEFAULT_WINDOW_NS, secondsOf, type Window } from './window.ts';

const BASELINE_FACTOR = 6n;

/**
 * `GET /api/v1/anomalies`: services that fail more often or are slower than before (read API contract §1.4, and §3.8, of
 * whose two rule sets the documented one). The baseline contains the current window.
 */
export const anomaliesRead: Read = {
  name: 'anomalies',
  path: '/api/v1/anomalies',
  windows: ['last', 'baseline'],

  plan({ search }, { nowNs, maxGroups, maxWindowMs }) {
    const parsed = parseParams(search, { last: windowNanos, baseline: windowNanos, service: anyText });
    if (parsed.kind === 'bad') return parsed;
    const {
      last = defaultWindow(DEFAULT_WINDOW_NS, maxWindowMs),
      baseline = defaultWindow(last * BASELINE_FACTOR, maxWindowMs),
      service,
    } = parsed.values;
    if (baseline < last) {
      const accepts = `a window no shorter than last, which is ${secondsOf(last)} seconds`;
      return { kind: 'bad', error: badValue('baseline', search.get('baseline') ?? '', accepts) };
    }
    const windows = {
      current: { fromNs: startOf(last, nowNs), service },
      baseline: { fromNs: startOf(baseline, nowNs), service },
    };
    const head = {
      current_seconds: secondsOf(last),
      baseline_seconds: secondsOf(baseline),
      service_filter: service ?? null,
    };
    return {
      kind: 'states',
      answer: shards => runRounds(shards, answerAnomalies({ windows, head, maxGroups })),
      fieldsOf: () => ['anomalies'],
    };
  },
};

interface Both<T> {
  readonly current: T;
  readonly baseline: T;
}

interface AnomaliesOptions {
  readonly windows: Both<Window>;
  /** Members of the answer that say what it is about. */
  readonly head: Readonly<Record<string, unknown>>;
  readonly maxGroups: number;
}

function* answerAnomalies({ windows, head, maxGroups }: AnomaliesOptions): Rounds<Combined> {
  const [current, baseline] = yield* together(
    countServices(windows.current, maxGroups),
    countServices(windows.baseline, maxGroups),
  );
  if (current.kind === 'refused') return current;
  if (baseline.kind === 'refused') return baseline;
  const errors = Array.from(current.services, ([service, counts]) =>
    errorAnomaly({ service, current: counts, baseline: baseline.services.get(service) ?? NO_SPANS }),
  );
  const countedInBoth = [...current.services].flatMap(([service, { spans }]) => {
    const before = baseline.services.get(service) ?? NO_SPANS;
    return spans >= FEWEST_SPANS && before.spans >= FEWEST_SPANS ? service : [];
  });
  const latencies = yield* latencyAnomalies(windows, countedInBoth);
  const anomalies = [...errors, ...latencies].filter(each => each !== undefined).sort(compareAnomalies);
  return { kind: 'found', members: membersOf({ ...head, anomalies }) };
}

const NO_SPANS: SpanCounts = { spans: 0, errors: 0 };

type ServiceCounts =
  | { readonly kind: 'services'; readonly services: ReadonlyMap<string, SpanCounts> }
  | TooMany;

/** Spans and errors of every service, pooled over all shards. */
function* countServices(window: Window, maxGroups: number): Rounds<ServiceCounts> {
  const byService = { ...window, of: 'spans' as const, by: ['service' as const] };
  const options = { maxGroups, what: 'services' };
  const [spans, errors] = yield* together(
    allGroups(byService, options),
    allGroups({ ...byService, status: 'error' }, options),
  );
  if (spans.kind === 'refused') return spans;
  if (errors.kind === 'refused') return errors;
  const failed = new Map(errors.groups.map(nameAndCount));
  const counted = spans.groups.map(nameAndCount);
  const services = new Map(
    counted.map(([service, count]) => [service, { spans: count, errors: failed.get(service) ?? 0 }]),
  );
  return { kind: 'services', services };
}

function nameAndCount({ names: [service = ''], count }: Group): [string, number] {
  return [service, count];
}

/** Two buckets per power of two: few for so many services, and yet too narrow to hold a rise by half. */
const P95 = { p: 0.95, scale: 1 };

/** Bucket counts rule out most services already; only the percentiles of the others are looked for to the end. */
function* latencyAnomalies(
  windows: Both<Window>,
  services: readonly string[],
): Rounds<(Anomaly | undefined)[]> {
  const [current, baseline] = yield* together(
    searchServices(windows.current, services, P95),
    searchServices(windows.baseline, services, P95),
  );
  const suspects = services.filter(service => canBeSlower(current.get(service), baseline.get(service)));
  const [currentP95, baselineP95] = yield* together(
    settleByService(windows.current, only(current, suspects)),
    settleByService(windows.baseline, only(baseline, suspects)),
  );
  return suspects.map(service =>
    latencyAnomaly({
      service,
      current: currentP95.get(service) ?? 0n,
      baseline: baselineP95.get(service) ?? 0n,
    }),
  );
}

/** Whether the largest rise that the bounds allow is an anomaly. */
function canBeSlower(current: Search | undefined, baseline: Search | undefined): boolean {
  const now = current && boundsOf(current);
  const before = baseline && boundsOf(baseline);
  if (now === undefined || before === undefined || before.maxNs <= 0n) return false;
  const least = before.minNs > 0n ? before.minNs : 1n;
  return latencyAnomaly({ service: '', current: now.maxNs, baseline: least }) !== undefined;
}

function only<T>(all: ReadonlyMap<string, T>, keys: readonly string[]): Map<string, T> {
  return new Map(
    keys.flatMap(key => {
      const value = all.get(key);
      return value === undefined ? [] : [[key, value] as const];
    }),
  );
}
