import fc from 'fast-check';

/*
 * Random OTLP in OTLP/JSON, in the canonical form: no member at its default, 64-bit integers as strings, doubles
 * that JSON numbers cannot hold as text.
 */

export type Json = Record<string, unknown>;

const MAX_U64 = 2n ** 64n - 1n;

const text = fc.string({ unit: 'binary', maxLength: 12 });
const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map(array => Buffer.from(array).toString('hex'));
const nonZeroHex = (bytes: number) => hex(bytes).filter(digits => /[^0]/.test(digits));
const unsigned64 = fc.oneof(
  fc.bigInt({ min: 1n, max: MAX_U64 }),
  fc.bigInt({ min: 1_700_000_000_000_000_000n, max: 1_700_000_000_100_000_000n }),
  fc.constantFrom(1n, 2n ** 53n + 1n, MAX_U64),
);
const nanos = unsigned64.map(String);
const signed64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
const count = fc.integer({ min: 1, max: 2 ** 32 - 1 });
const double = fc.double().map(doubleJson);

export function doubleJson(value: number): number | string {
  if (Object.is(value, -0)) return '-0';
  return Number.isFinite(value) ? value : String(value);
}

/** Every member is optional. */
function partial(members: { readonly [name: string]: fc.Arbitrary<unknown> }): fc.Arbitrary<Json> {
  return fc.record<Json>({ ...members }, { requiredKeys: [] }).map(withoutDefaults);
}

/** Text and numbers at their default and empty lists are not written in the canonical form. */
function withoutDefaults(json: Json): Json {
  return Object.fromEntries(
    Object.entries(json).filter(
      ([, value]) =>
        value !== '' &&
        !Object.is(value, 0) &&
        value !== false &&
        !(Array.isArray(value) && value.length === 0),
    ),
  );
}

export const { anyValue } = fc.letrec<{ anyValue: Json; keyValue: Json }>(tie => ({
  anyValue: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'any-value' },
    fc.record<Json>({ stringValue: text }),
    fc.record<Json>({ intValue: signed64 }),
    fc.record<Json>({ doubleValue: double }),
    fc.record<Json>({ boolValue: fc.boolean() }),
    fc.record<Json>({
      bytesValue: fc.uint8Array({ maxLength: 5 }).map(bytes => Buffer.from(bytes).toString('base64')),
    }),
    fc.constant<Json>({}),
    partial({ values: fc.array(tie('anyValue'), { maxLength: 3 }) }).map(arrayValue => ({ arrayValue })),
    partial({ values: fc.array(tie('keyValue'), { maxLength: 3 }) }).map(kvlistValue => ({ kvlistValue })),
  ),
  keyValue: partial({ key: text, value: tie('anyValue') }),
}));

const WELL_KNOWN_KEYS = [
  'service.name',
  'gen_ai.system',
  'gen_ai.prompt',
  'gen_ai.completion',
  '__proto__',
  '1',
  '',
];
const attributes = fc.array(
  partial({ key: fc.oneof(text, fc.constantFrom(...WELL_KNOWN_KEYS)), value: anyValue }),
  { maxLength: 5 },
);

const spanEvent = partial({ timeUnixNano: nanos, name: text, attributes, droppedAttributesCount: count });
const spanLink = partial({
  traceId: nonZeroHex(16),
  spanId: nonZeroHex(8),
  traceState: text,
  attributes,
  droppedAttributesCount: count,
  flags: count,
});

export const otlpSpan = fc
  .tuple(
    fc.record({ traceId: nonZeroHex(16), spanId: nonZeroHex(8) }),
    partial({
      parentSpanId: hex(8),
      traceState: text,
      name: text,
      kind: fc.integer({ min: -1, max: 7 }),
      startTimeUnixNano: nanos,
      endTimeUnixNano: nanos,
      attributes,
      droppedAttributesCount: count,
      events: fc.array(spanEvent, { maxLength: 2 }),
      droppedEventsCount: count,
      links: fc.array(spanLink, { maxLength: 2 }),
      droppedLinksCount: count,
      status: partial({ message: text, code: fc.integer({ min: -1, max: 4 }) }).filter(hasMembers),
      flags: count,
    }),
  )
  .map(([ids, rest]) => ({ ...ids, ...rest }));

export const otlpLogRecord = partial({
  timeUnixNano: nanos,
  observedTimeUnixNano: nanos,
  severityNumber: fc.integer({ min: -1, max: 30 }),
  severityText: text,
  body: anyValue,
  attributes,
  droppedAttributesCount: count,
  flags: count,
  traceId: fc.oneof(hex(16), hex(5), fc.constant('00'.repeat(16))),
  spanId: fc.oneof(hex(8), hex(3), fc.constant('00'.repeat(8))),
  eventName: text,
});

const numberValue = fc.oneof(
  fc.record<Json>({ asDouble: double }),
  fc.record<Json>({ asInt: signed64 }),
  fc.constant<Json>({}),
);
const exemplar = fc
  .tuple(
    numberValue,
    partial({ timeUnixNano: nanos, spanId: hex(8), traceId: hex(16), filteredAttributes: attributes }),
  )
  .map(([value, rest]) => ({ ...rest, ...value }));
const anyPoint = { startTimeUnixNano: nanos, timeUnixNano: nanos, attributes, flags: count };
const distribution = { ...anyPoint, count: nanos, exemplars: fc.array(exemplar, { maxLength: 2 }) };
/** Optional scalars: 0 is another thing than absent. */
const optionalDoubles = fc.record<Json>({ sum: double, min: double, max: double }, { requiredKeys: [] });

const numberPoint = fc
  .tuple(numberValue, partial({ ...anyPoint, exemplars: fc.array(exemplar, { maxLength: 2 }) }))
  .map(([value, rest]) => ({ ...rest, ...value }));
const histogramPoint = fc
  .tuple(
    optionalDoubles,
    partial({
      ...distribution,
      bucketCounts: fc.array(nanos, { maxLength: 3 }),
      explicitBounds: fc.array(double, { maxLength: 3 }),
    }),
  )
  .map(([doubles, rest]) => ({ ...rest, ...doubles }));
const buckets = partial({
  offset: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  bucketCounts: fc.array(nanos, { maxLength: 3 }),
});
const exponentialPoint = fc
  .tuple(
    optionalDoubles,
    partial({
      ...distribution,
      scale: fc.integer({ min: -20, max: 20 }),
      zeroCount: nanos,
      positive: buckets,
      negative: buckets,
      zeroThreshold: double,
    }),
  )
  .map(([doubles, rest]) => ({ ...rest, ...doubles }));
const summaryPoint = partial({
  ...anyPoint,
  count: nanos,
  sum: double,
  quantileValues: fc.array(partial({ quantile: double, value: double }), { maxLength: 3 }),
});

const aggregationTemporality = fc.integer({ min: 0, max: 2 });
const points = (point: fc.Arbitrary<Json>) => fc.array(point, { minLength: 1, maxLength: 3 });
const metricData = fc.oneof(
  fc.record<Json>({ gauge: withPoints({}, numberPoint) }),
  fc.record<Json>({ sum: withPoints({ aggregationTemporality, isMonotonic: fc.boolean() }, numberPoint) }),
  fc.record<Json>({ histogram: withPoints({ aggregationTemporality }, histogramPoint) }),
  fc.record<Json>({ exponentialHistogram: withPoints({ aggregationTemporality }, exponentialPoint) }),
  fc.record<Json>({ summary: withPoints({}, summaryPoint) }),
);

function withPoints(
  members: { readonly [name: string]: fc.Arbitrary<unknown> },
  point: fc.Arbitrary<Json>,
): fc.Arbitrary<Json> {
  return fc.tuple(partial(members), points(point)).map(([rest, dataPoints]) => ({ ...rest, dataPoints }));
}

export const otlpMetric = fc
  .tuple(metricData, partial({ name: text, description: text, unit: text, metadata: attributes }))
  .map(([data, rest]) => ({ ...rest, ...data }));

/** What is around the records: `{resource, schemaUrl}` and `{scope, schemaUrl}`. */
export const otlpResource = fc.record<Json>(
  {
    resource: partial({ attributes, droppedAttributesCount: count }),
    schemaUrl: text.filter(url => url !== ''),
  },
  { requiredKeys: [] },
);
export const otlpScope = fc.record<Json>(
  {
    scope: partial({ name: text, version: text, attributes, droppedAttributesCount: count }),
    schemaUrl: text.filter(url => url !== ''),
  },
  { requiredKeys: [] },
);

function hasMembers(json: Json): boolean {
  return Object.keys(json).length > 0;
}
