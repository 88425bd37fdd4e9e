import fc from 'fast-check';

/** OTLP/JSON requests as fast-check makes them: every kind of attribute value, envelopes with and without a scope. */

const anyValue = fc.letrec<{ value: Record<string, unknown> }>(tie => ({
  value: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    fc.record({ stringValue: fc.string({ unit: 'grapheme', maxLength: 12 }) }),
    fc.record({ boolValue: fc.boolean() }),
    fc.record({ intValue: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String) }),
    fc.record({ doubleValue: fc.double({ noNaN: true, noDefaultInfinity: true }) }),
    fc.record({ bytesValue: fc.uint8Array({ maxLength: 6 }).map(bytes => Buffer.from(bytes).toString('base64')) }),
    fc.constant({}),
    fc.record({ arrayValue: fc.record({ values: fc.array(tie('value'), { maxLength: 3 }) }) }),
    fc.record({
      kvlistValue: fc.record({
        values: fc.array(fc.record({ key: fc.string({ maxLength: 5 }), value: tie('value') }), { maxLength: 3 }),
      }),
    }),
  ),
})).value;

const attributes = fc.uniqueArray(fc.record({ key: fc.string({ minLength: 1, maxLength: 8 }), value: anyValue }), {
  selector: attribute => attribute.key,
  maxLength: 4,
});

export const hexId = (bytes: number) =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .filter(id => id.some(byte => byte !== 0))
    .map(id => Buffer.from(id).toString('hex'));

/** Few enough traces that requests have several spans of one. */
const traceId = fc.oneof(hexId(16), fc.integer({ min: 1, max: 6 }).map(n => n.toString(16).padStart(32, '0')));
const nanos = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);

const span = fc.record({
  traceId,
  spanId: hexId(8),
  name: fc.string({ maxLength: 10 }),
  kind: fc.integer({ min: 0, max: 5 }),
  startTimeUnixNano: nanos,
  endTimeUnixNano: nanos,
  attributes,
});

const logRecord = fc.record(
  {
    traceId,
    spanId: hexId(8),
    timeUnixNano: nanos,
    observedTimeUnixNano: nanos,
    severityNumber: fc.integer({ min: 0, max: 24 }),
    body: anyValue,
    attributes,
  },
  { requiredKeys: ['timeUnixNano', 'observedTimeUnixNano', 'severityNumber', 'body', 'attributes'] },
);

const numberPoint = fc.record({ timeUnixNano: nanos, asInt: fc.integer().map(String), attributes });

const metric = fc.oneof(
  fc.record({
    name: fc.string({ maxLength: 6 }),
    unit: fc.constantFrom('1', 'ms'),
    gauge: fc.record({ dataPoints: fc.array(numberPoint, { maxLength: 3 }) }),
  }),
  fc.record({
    name: fc.string({ maxLength: 6 }),
    sum: fc.record({
      dataPoints: fc.array(numberPoint, { maxLength: 3 }),
      aggregationTemporality: fc.constantFrom(1, 2),
      isMonotonic: fc.boolean(),
    }),
  }),
);

const resource = fc.oneof(
  fc.record({ attributes }),
  fc.record({
    attributes: fc
      .constantFrom('checkout', 'cart', 'payment', '')
      .map(name => [{ key: 'service.name', value: { stringValue: name } }]),
  }),
);

const scope = fc.record({ name: fc.string({ maxLength: 6 }), version: fc.constantFrom('', '1.2.3') });

function request<T>(names: { group: string; scopes: string; records: string }, record: fc.Arbitrary<T>) {
  const scopes = fc.record(
    { scope, [names.records]: fc.array(record, { maxLength: 5 }), schemaUrl: fc.constantFrom('', 'https://schema/1') },
    { requiredKeys: [names.records] },
  );
  const group = fc.record(
    { resource, [names.scopes]: fc.array(scopes, { maxLength: 3 }) },
    { requiredKeys: [names.scopes] },
  );
  return fc.record({ [names.group]: fc.array(group, { maxLength: 3 }) });
}

export const arbitraryRequests = {
  traces: request({ group: 'resourceSpans', scopes: 'scopeSpans', records: 'spans' }, span),
  logs: request({ group: 'resourceLogs', scopes: 'scopeLogs', records: 'logRecords' }, logRecord),
  metrics: request({ group: 'resourceMetrics', scopes: 'scopeMetrics', records: 'metrics' }, metric),
} as const;
