import type { Corpus } from './corpus.ts';
import type { Dice } from './dice.ts';
import { ATTRIBUTES, LABELS, METRICS, OPERATIONS, RUNS, SERVICES, someWords, WORDS } from './vocabulary.ts';

/** A read with random parameters, as a path of the read API. */
export interface Question {
  readonly name: string;
  ask(dice: Dice, corpus: Pick<Corpus, 'traceIds'>): string;
}

type Parameter = (dice: Dice) => string;

const WINDOWS = ['5m', '1h', '90m', '7d', '0', '3600'];
const LIMITS = [0, 1, 2, 7, 50, 100, 1000];
const STATUSES = ['ok', 'error', 'unset', 'ERROR'];
const SEVERITIES = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'unspecified', 'Error'];
const METRIC_TYPES = ['gauge', 'sum', 'histogram', 'summary', 'unknown'];

/** Each parameter is there or not. */
function query(path: string, parameters: Readonly<Record<string, Parameter>>): (dice: Dice) => string {
  return dice => {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) {
      if (dice.chance(0.4)) search.append(name, value(dice));
    }
    return search.size === 0 ? path : `${path}?${search.toString()}`;
  };
}

const service: Parameter = dice => dice.pickEarly(SERVICES);
const last: Parameter = dice => dice.pick(WINDOWS);
const limit: Parameter = dice => String(dice.pick(LIMITS));
const part = (text: string, dice: Dice) => text.slice(dice.below(text.length));

function attribute(dice: Dice): string {
  const [key, values] = dice.pick(ATTRIBUTES);
  return `${key}=${String(dice.pick(values))}`;
}

export const QUESTIONS: readonly Question[] = [
  {
    name: 'traces',
    ask: query('/api/v1/traces', {
      service,
      operation: dice => part(dice.pick(OPERATIONS), dice),
      min_duration_ms: dice => String(dice.below(50) / 8),
      max_duration_ms: dice => String(dice.below(500) / 8),
      status: dice => dice.pick(STATUSES),
      attribute,
      last,
      limit,
    }),
  },
  { name: 'traces by text', ask: dice => `/api/v1/traces?${search({ text: someWords(dice, 2) })}` },
  {
    name: 'trace',
    ask: (dice, { traceIds }) =>
      `/api/v1/traces/${dice.chance(0.9) ? dice.pickEarly(traceIds) : dice.hex(32)}`,
  },
  { name: 'services', ask: () => '/api/v1/services' },
  {
    name: 'logs',
    ask: (dice, { traceIds }) =>
      query('/api/v1/logs', {
        service,
        severity: each => each.pick(SEVERITIES),
        body_contains: each => part(each.pick(WORDS), each),
        trace_id: each => each.pickEarly(traceIds),
        last,
        limit,
      })(dice),
  },
  { name: 'logs by text', ask: dice => `/api/v1/logs?${search({ text: someWords(dice, 2) })}` },
  {
    name: 'metrics',
    ask: query('/api/v1/metrics', {
      service,
      name: dice => dice.pickEarly(METRICS),
      metric_type: dice => dice.pick(METRIC_TYPES),
      last,
      limit,
    }),
  },
  {
    name: 'summary',
    ask: query('/api/v1/summary', { service, last }),
  },
  {
    name: 'anomalies',
    ask: query('/api/v1/anomalies', {
      service,
      last: dice => dice.pick(['5m', '30m', '1h']),
      baseline: last,
    }),
  },
  {
    name: 'correlate',
    ask: (dice, { traceIds }) => `/api/v1/correlate?trace=${dice.pickEarly(traceIds)}`,
  },
  {
    name: 'comments of a trace',
    ask: (dice, { traceIds }) => `/api/v1/traces/${dice.pick(traceIds)}/comments`,
  },
  { name: 'comments', ask: query('/api/v1/comments', { limit }) },
  {
    name: 'PromQL',
    ask: dice => `/api/v1/metrics/query?${search({ query: expression(dice), last: last(dice) })}`,
  },
  { name: 'eval runs', ask: () => '/api/v1/evals/runs' },
  { name: 'eval run', ask: dice => `/api/v1/evals/runs/${dice.pick([...RUNS, 'no-such-run'])}` },
  { name: 'eval cases', ask: dice => `/api/v1/evals/runs/${dice.pick(RUNS)}/cases` },
  { name: 'eval scores', ask: dice => `/api/v1/evals/runs/${dice.pick(RUNS)}/scores` },
  {
    name: 'eval comparison',
    ask: dice => `/api/v1/evals/runs/${dice.pick(RUNS)}/compare?baseline=${dice.pick(RUNS)}`,
  },
];

const OPERATORS = ['sum', 'avg', 'min', 'max', 'count'];
const LABEL_NAMES = ['service', 'http_route', 'retry', 'label', '__name__'];

/** PromQL: a selector, perhaps its rate, perhaps summed up, perhaps by some labels. */
function expression(dice: Dice): string {
  const matchers = [
    `__name__="${dice.pickEarly(METRICS)}"`,
    ...(dice.chance(0.3)
      ? [`service${dice.pick(['=', '!='])}${JSON.stringify(dice.pickEarly(SERVICES))}`]
      : []),
    ...(dice.chance(0.2) ? [`label${dice.pick(['=~', '!~'])}"${dice.pick(LABELS)}|x.*"`] : []),
  ];
  const selector = `{${matchers.join(',')}}`;
  const samples = dice.chance(0.4) ? `rate(${selector}[${dice.pick(['5m', '1h', '2h'])}])` : selector;
  if (dice.chance(0.3)) return samples;
  const by = LABEL_NAMES.filter(() => dice.chance(0.3)).join(', ');
  return `${dice.pick(OPERATORS)}${dice.chance(0.7) ? ` by (${by}) ` : ''}(${samples})`;
}

function search(parameters: Readonly<Record<string, string>>): string {
  return new URLSearchParams(parameters).toString();
}
