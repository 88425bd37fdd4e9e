import { valueJson } from '../../shared/read/metric-value.ts';
import { formatNanos } from '../../shared/time.ts';
import { anyText, parseParams, startOf, windowStart } from '../params.ts';
import { type Element, evaluate } from '../promql/evaluate.ts';
import type { InstantQuery, RangeFunction } from '../promql/instant-query.ts';
import { parsePromql } from '../promql/parse.ts';
import { everyPoint } from '../promql/points.ts';
import { createSeriesSet, pushedDown } from '../promql/series.ts';
import { defaultWindow, windowFault } from '../window-limit.ts';
import {
  type Combined,
  membersOf,
  type Read,
  type ReadContext,
  rowsMember,
  type ShardReads,
} from './read.ts';

const NANOS_PER_SECOND = 1e9;
const DEFAULT_LOOKBACK_NS = 300_000_000_000n;
/** Bounds how long parsing takes. */
const MAX_QUERY_CHARS = 8192;

/** `GET /api/v1/metrics/query`: a PromQL instant query (read API contract §1.3, D18). */
export const promqlRead: Read = {
  name: 'promql',
  path: '/api/v1/metrics/query',
  windows: ['last'],

  plan({ search }, context) {
    const { nowNs, maxWindowMs } = context;
    const parsed = parseParams(search, { query: anyText, last: windowStart(nowNs) });
    if (parsed.kind === 'bad') return parsed;
    const { query: text, last = startOf(defaultWindow(DEFAULT_LOOKBACK_NS, maxWindowMs), nowNs) } =
      parsed.values;
    if (text === undefined)
      return bad('query is missing: expected PromQL such as rate({"http.requests"}[5m])');
    if (text.length > MAX_QUERY_CHARS) return bad(`query is longer than ${MAX_QUERY_CHARS} characters`);
    const promql = parsePromql(text);
    if (promql.kind === 'bad') return promql;
    const { query } = promql;
    const { over } = query;
    const tooLong = over && rangeFault(over, maxWindowMs);
    if (tooLong !== undefined) return bad(tooLong);
    const fromNs = over === undefined ? last : startOf(over.rangeNs, nowNs);
    return {
      kind: 'states',
      answer: shards => answerQuery(shards, { text, query, fromNs, context }),
      fieldsOf: () => ['series'],
    };
  },
};

function bad(error: string) {
  return { kind: 'bad', error } as const;
}

function rangeFault({ rangeNs }: RangeFunction, maxWindowMs: number): string | undefined {
  const text = `${Number(rangeNs) / NANOS_PER_SECOND}s`;
  return windowFault({ name: 'range', text, windowNs: rangeNs }, maxWindowMs);
}

interface Question {
  readonly text: string;
  readonly query: InstantQuery;
  readonly fromNs: string;
  readonly context: ReadContext;
}

async function answerQuery(
  shards: ShardReads,
  { text, query, fromNs, context: { maxRows } }: Question,
): Promise<Combined> {
  const set = createSeriesSet(query.matchers);
  let points = 0;
  for await (const point of everyPoint(shards, { ...pushedDown(query.matchers), fromNs })) {
    points += 1;
    if (points > maxRows) {
      const error = `the query needs more than ${maxRows} points (query.maxRows): narrow it or its window`;
      return { kind: 'refused', status: 413, error };
    }
    set.add(point);
  }
  const elements = evaluate(query, set.series()).map(elementJson);
  const members = [
    membersOf({ query: text }),
    rowsMember('series', elements),
    membersOf({ count: elements.length }),
  ];
  return { kind: 'found', members: members.join(',') };
}

function elementJson({ metric, labels, value: number, timeNs }: Element): string {
  const { value, value_text } = valueJson(number);
  const members = [
    membersOf({ metric, labels: Object.fromEntries(labels) }),
    `"value":${value}`,
    ...(value_text === undefined ? [] : [`"value_text":${value_text}`]),
    membersOf({ timestamp: formatNanos(timeNs) }),
  ];
  return `{${members.join(',')}}`;
}
