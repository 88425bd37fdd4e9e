import type { OtlpTypes } from '../../src/shared/otlp/messages.ts';
import { attributeSet, type KeyValue, pick, text } from './attributes.ts';
import { type Chance, createChance, zipf } from './chance.ts';
import { createTemplate, HOLE_VALUES, type Template, varint } from './template.ts';

/** A process of a service, as the envelope of what it exports: its resource and its scope, encoded. */
export interface Instance {
  readonly resource: Buffer;
  readonly scope: Buffer;
}

interface Operation {
  readonly medianNs: number;
  readonly sigma: number;
  /** By whether the span has a parent and whether it failed. */
  readonly span: (isRoot: boolean, isError: boolean) => Template;
}

export interface Service {
  readonly name: string;
  readonly instances: readonly Instance[];
  readonly operation: (chance: Chance) => Operation;
  readonly log: (chance: Chance, isError: boolean) => Template;
  /** Points of one metric, {@link POINTS_PER_METRIC} of them. */
  readonly points: (chance: Chance) => Template;
}

export interface Population {
  readonly services: readonly Service[];
  readonly service: (chance: Chance) => Service;
}

/** Series of one metric that one service exports at once. */
export const POINTS_PER_METRIC = 5;

const INSTANCES = 3;
const OPERATIONS = 24;
const STATEMENTS = 30;
const METRICS = 40;
const DOMAINS = [
  'cart',
  'checkout',
  'payment',
  'catalog',
  'search',
  'user',
  'order',
  'shipping',
  'stock',
  'mail',
];
const ROLES = ['api', 'worker', 'gateway', 'cache', 'scheduler'];
const MS = 1e6;

/** Services, operations and what they export, the same for the same seed. */
export function createPopulation(types: OtlpTypes, seed: number): Population {
  const chance = createChance(seed);
  const names = ROLES.flatMap(role => DOMAINS.map(domain => `${domain}-${role}`));
  const services = names.map(name => createService(name, types, chance));
  return { services, service: zipf(services) };
}

function createService(name: string, types: OtlpTypes, chance: Chance): Service {
  const operations = times(OPERATIONS, index => createOperation(name, index, types, chance));
  const logs = [false, true].map(isError =>
    zipf(times(STATEMENTS, index => logTemplate(index, isError, types, chance))),
  );
  return {
    name,
    instances: times(INSTANCES, index => createInstance(name, index, types)),
    operation: zipf(operations),
    log: (draw, isError) => (logs[Number(isError)] as (draw: Chance) => Template)(draw),
    points: zipf(times(METRICS, index => metricTemplate(name, index, types, chance))),
  };
}

function createInstance(service: string, index: number, types: OtlpTypes): Instance {
  const encode = (type: string, message: Record<string, unknown>) => {
    const messageType = types.request('traces').root.lookupType(type);
    const bytes = messageType.encode(messageType.fromObject(message)).finish();
    // Field 1 of what holds it, the resource and the scope alike.
    return Buffer.concat([Buffer.from([0x0a]), varint(bytes.length), bytes]);
  };
  const attributes = [
    text('service.name', service),
    text('service.version', `1.${index}.4`),
    text('service.namespace', 'shop'),
    text('deployment.environment.name', 'production'),
    text('k8s.pod.name', `${service}-7d9f8b6c5-${index}`),
    text('host.name', `node-${index}`),
    text('telemetry.sdk.language', 'nodejs'),
    text('telemetry.sdk.name', 'opentelemetry'),
    text('telemetry.sdk.version', '2.1.0'),
  ];
  return {
    resource: encode('Resource', { attributes }),
    scope: encode('InstrumentationScope', {
      name: '@opentelemetry/instrumentation-http',
      version: '0.203.0',
    }),
  };
}

function createOperation(service: string, index: number, types: OtlpTypes, chance: Chance): Operation {
  const type = types.request('traces').root.lookupType('Span');
  const attributes = attributeSet(chance, [8, 20]);
  const name = `${pick(chance, ['GET', 'POST', 'SELECT', 'publish', 'process'])} ${service}/${index}`;
  const kind = 1 + chance.below(5);
  const message = (isRoot: boolean, isError: boolean) => ({
    traceId: HOLE_VALUES.traceId,
    spanId: HOLE_VALUES.spanId,
    ...(!isRoot && { parentSpanId: HOLE_VALUES.parentSpanId }),
    name,
    kind,
    flags: 257,
    startTimeUnixNano: HOLE_VALUES.start,
    endTimeUnixNano: HOLE_VALUES.end,
    attributes,
    status: isError ? { code: 2 } : {},
    ...(isError && { events: [exceptionEvent()] }),
  });
  const templates = [true, false].flatMap(isRoot =>
    [true, false].map(isError => createTemplate(type, message(isRoot, isError))),
  );
  return {
    medianNs: chance.logNormal(8 * MS, 1.2),
    sigma: 0.6 + 0.6 * chance.number(),
    span: (isRoot, isError) => templates[2 * Number(!isRoot) + Number(!isError)] as Template,
  };
}

function exceptionEvent() {
  const attributes = [
    text('exception.type', 'TimeoutError'),
    text('exception.message', 'upstream did not answer within 2000 ms'),
  ];
  return { timeUnixNano: HOLE_VALUES.end, name: 'exception', attributes };
}

function logTemplate(index: number, isError: boolean, types: OtlpTypes, chance: Chance): Template {
  const type = types.request('logs').root.lookupType('LogRecord');
  const what = pick(chance, ['order', 'payment', 'session', 'shipment', 'invoice', 'message', 'request']);
  const outcome = isError
    ? pick(chance, ['failed after 3 attempts', 'was refused upstream', 'timed out'])
    : pick(chance, ['accepted', 'finished', 'was sent', 'loaded from cache', 'validated']);
  const isQuiet = index % 4 === 3;
  return createTemplate(type, {
    timeUnixNano: HOLE_VALUES.start,
    observedTimeUnixNano: HOLE_VALUES.end,
    severityNumber: isError ? 17 : isQuiet ? 5 : 9,
    severityText: isError ? 'ERROR' : isQuiet ? 'DEBUG' : 'INFO',
    body: {
      stringValue: `${what} ${HOLE_VALUES.digits} ${outcome}, step ${index} of the flow, queue depth normal`,
    },
    attributes: attributeSet(chance, [8, 12]),
    ...(index % 3 !== 0 && { traceId: HOLE_VALUES.traceId, spanId: HOLE_VALUES.spanId, flags: 1 }),
  });
}

function metricTemplate(service: string, index: number, types: OtlpTypes, chance: Chance): Template {
  const type = types.request('metrics').root.lookupType('Metric');
  const steady: readonly KeyValue[] = attributeSet(chance, [13, 20]).slice(5);
  const name = `${service.split('-')[0]}.${pick(chance, ['queue', 'http.server', 'jvm', 'db.client'])}.metric_${index}`;
  const points = times(POINTS_PER_METRIC, series => ({
    startTimeUnixNano: HOLE_VALUES.end,
    timeUnixNano: HOLE_VALUES.start,
    attributes: [...steady, text('series', String(series))],
  }));
  switch (index % 4) {
    case 0:
      return createTemplate(type, {
        name,
        unit: 'By',
        gauge: { dataPoints: points.map(point => ({ ...point, asDouble: HOLE_VALUES.double })) },
      });
    case 1:
    case 2:
      return createTemplate(type, {
        name,
        unit: '{request}',
        sum: {
          aggregationTemporality: 2,
          isMonotonic: true,
          dataPoints: points.map(point => ({ ...point, asInt: HOLE_VALUES.integer })),
        },
      });
    default:
      return createTemplate(type, {
        name,
        description: 'Duration of requests',
        unit: 's',
        histogram: {
          aggregationTemporality: 2,
          dataPoints: points.map(point => ({
            ...point,
            count: 100,
            sum: HOLE_VALUES.double,
            bucketCounts: [3, 10, 20, 30, 20, 10, 7],
            explicitBounds: [0.005, 0.01, 0.05, 0.1, 0.5, 1],
          })),
        },
      });
  }
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
