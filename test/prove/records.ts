import fc from 'fast-check';
import type { Signal } from '../../src/shared/otlp/signal.ts';
import type { Dice } from '../equivalence/dice.ts';
import {
  type Json,
  otlpLogRecord,
  otlpMetric,
  otlpResource,
  otlpScope,
  otlpSpan,
} from '../support/otlp-arbitraries.ts';
import { DATA_MEMBERS } from '../support/otlp-from-row.ts';
import { attribute } from '../support/otlp-samples.ts';
import { recordsOf } from '../support/restore-otlp.ts';

/** Every record carries its id in this attribute. */
const ID_KEY = 'prove.id';

/** One OTLP request that was made, and what has to be read back of it. */
export interface MadeExport {
  readonly signal: Signal;
  readonly service: string;
  readonly request: Json;
  /** Canonical text of each record, its resource and its scope, by the id of the record. */
  readonly records: ReadonlyMap<string, string>;
}

/** Makes exports of which no two records are equal. */
export interface RecordSource {
  readonly services: readonly string[];
  next(options?: NextOptions): MadeExport;
}

export interface NextOptions {
  /** Of one record, instead of chance's choice. */
  readonly signal?: Signal;
  readonly records?: number;
  /** Text that each record carries besides. */
  readonly ballast?: string;
}

interface SourceOptions {
  readonly dice: Dice;
  /** Begins every id and the name of every service, so that trials do not see each other's records. */
  readonly trial: string;
}

const SAMPLES = 40;
const SERVICES = 3;
const MAX_RECORDS = 12;
const METRIC_NAMES = 24;
/** A trace goes on over several exports before the next ones begin. */
const OPEN_TRACES = 8;
const SPANS_PER_TRACE = 12;
/** Padded, so that no id begins another. */
const ID_DIGITS = 7;

/** Anything that OTLP can say, as the property tests have it, with ids of its own. */
export function createRecordSource({ dice, trial }: SourceOptions): RecordSource {
  const services = Array.from({ length: SERVICES }, (_, index) => `${trial}-${'abc'[index]}`);
  const seed = dice.below(2 ** 31);
  const sample = <T>(arbitrary: fc.Arbitrary<T>) => fc.sample(arbitrary, { seed, numRuns: SAMPLES });
  const samples = {
    traces: sample(otlpSpan),
    logs: sample(otlpLogRecord),
    metrics: sample(otlpMetric),
    resources: sample(otlpResource),
    scopes: sample(otlpScope),
  };
  const traces = Array.from({ length: OPEN_TRACES }, () => ({ id: dice.hex(32), spans: 0 }));
  let made = 0;

  function traceId(): string {
    const trace = dice.pick(traces);
    if (trace.spans === SPANS_PER_TRACE) Object.assign(trace, { id: dice.hex(32), spans: 0 });
    trace.spans += 1;
    return trace.id;
  }

  /** Attributes that name the record, then those of the sample. */
  function named({ attributes = [] }: Json, ballast: string | undefined): Json {
    made += 1;
    const id = attribute(ID_KEY, `${trial}.${String(made).padStart(ID_DIGITS, '0')}`);
    const weight = ballast === undefined ? [] : [attribute('prove.ballast', ballast)];
    return { attributes: [id, ...weight, ...(attributes as Json[])] };
  }

  function recordOf(signal: Signal, ballast: string | undefined): Json {
    const base: Json = dice.pick<Json>(samples[signal]);
    switch (signal) {
      case 'traces':
        return { ...base, traceId: traceId(), spanId: dice.hex(16), ...named(base, ballast) };
      case 'logs': {
        const { traceId: _, ...rest } = base;
        return { ...rest, ...(dice.chance(0.5) && { traceId: traceId() }), ...named(base, ballast) };
      }
      case 'metrics': {
        const kind = DATA_MEMBERS.find(member => member in base) as string;
        const { dataPoints, ...data } = base[kind] as { dataPoints: Json[] };
        const points = dataPoints.map(point => ({ ...point, ...named(point, ballast) }));
        const name = `prove.${dice.below(METRIC_NAMES)}`;
        return { ...base, name, [kind]: { ...data, dataPoints: points } };
      }
    }
  }

  function resourceOf(service: string): Json {
    const base = dice.pick(samples.resources);
    const resource = (base.resource ?? {}) as Json;
    const others = ((resource.attributes ?? []) as Json[]).filter(({ key }) => key !== 'service.name');
    return {
      ...base,
      resource: { ...resource, attributes: [attribute('service.name', service), ...others] },
    };
  }

  return {
    services,
    next({ signal = dice.pick(['traces', 'logs', 'metrics'] as const), records, ballast } = {}) {
      const service = dice.pick(services);
      const count = records ?? 1 + dice.below(MAX_RECORDS);
      const list = Array.from({ length: count }, () => recordOf(signal, ballast));
      const [groupName, scopeName, recordName] = MEMBERS[signal];
      const scope = { ...dice.pick(samples.scopes), [recordName]: list };
      const request = { [groupName]: [{ ...resourceOf(service), [scopeName]: [scope] }] };
      return { signal, service, request, records: recordsById(signal, request) };
    },
  };
}

const MEMBERS = {
  traces: ['resourceSpans', 'scopeSpans', 'spans'],
  logs: ['resourceLogs', 'scopeLogs', 'logRecords'],
  metrics: ['resourceMetrics', 'scopeMetrics', 'metrics'],
} as const;

/** Records of somebody else's making have no id; their text is one. */
export function recordsById(signal: Signal, request: Json): ReadonlyMap<string, string> {
  const texts = recordsOf(signal, request).map(record => JSON.stringify(record));
  return new Map(texts.map(text => [idOf(text) ?? text, text]));
}

const IDS_IN_OTLP = /"key":"prove\.id","value":\{"stringValue":"([^"]+)"\}/g;

/** The ids in the text of an OTLP message, in any order of its records. */
export function idsInMessage(text: string): string[] {
  return Array.from(text.matchAll(IDS_IN_OTLP), ([, id]) => id as string);
}

/** The id in the canonical text of a record. */
export function idOf(text: string): string | undefined {
  return idsInMessage(text)[0];
}

const IDS_IN_ROWS = /"prove\.id":"([^"]+)"/g;

/** The ids in the text of an answer of the read API. */
export function idsInRows(text: string): string[] {
  return Array.from(text.matchAll(IDS_IN_ROWS), ([, id]) => id as string);
}
