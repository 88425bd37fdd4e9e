import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nonFinitePoints } from '../../src/ingest/delivery/non-finite.ts';
import { createJsonTranscoder } from '../../src/shared/otlp/json-transcoder.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { MalformedProtobufError } from '../../src/shared/otlp/wire-reader.ts';
import { otlpRequests } from '../support/otlp-requests.ts';

const types = createOtlpTypes();
const transcoder = createJsonTranscoder(types);

type Json = Record<string, unknown>;

/** Values of points often are not finite here. */
const anotherValue = fc.constantFrom(undefined, undefined, 'NaN', 'Infinity', '-Infinity');
const metrics = fc.tuple(otlpRequests.metrics, fc.infiniteStream(anotherValue)).map(([json, values]) => {
  const isValue = (key: string, value: unknown) =>
    key === 'asDouble' || (key === 'sum' && typeof value !== 'object');
  const text = JSON.stringify(json, (key, value: unknown) =>
    isValue(key, value) ? (values.next().value ?? value) : value,
  );
  const transcoded = transcoder.toProtobuf('metrics', Buffer.from(text));
  if (transcoded.kind === 'malformed') throw new Error(transcoded.reason);
  return transcoded.body;
});

/** By the definition, from decoded points: a metric without points counts as one with a finite value. */
function expected(request: Buffer): number[] {
  const type = types.request('metrics');
  const list = (parent: Json, name: string) => (parent[name] ?? []) as Json[];
  const decoded = type.toObject(type.decode(request));
  const values = list(decoded, 'resourceMetrics').flatMap(group =>
    list(group, 'scopeMetrics').flatMap(scope =>
      list(scope, 'metrics').flatMap(metric => {
        const data = Object.values(metric).find(
          member => typeof member === 'object' && 'dataPoints' in (member as Json),
        );
        const points = list((data ?? {}) as Json, 'dataPoints');
        return points.length === 0 ? [0] : points.map(point => point.asDouble ?? point.sum ?? 0);
      }),
    ),
  );
  return [...values.keys()].filter(index => !Number.isFinite(values[index] as number));
}

describe('values that are not finite', () => {
  it('are found where a decoder finds them', () => {
    let found = 0;
    fc.assert(
      fc.property(metrics, request => {
        const points = [...nonFinitePoints(request)];
        expect(points).toEqual(expected(request));
        found += points.length;
      }),
      { numRuns: 300 },
    );
    expect(found).toBeGreaterThan(0);
  });

  it('are looked for in any bytes without a throw but the documented one', () => {
    fc.assert(
      fc.property(metrics, fc.nat(), fc.integer({ min: 0, max: 255 }), (request, at, byte) => {
        if (request.length > 0) request[at % request.length] = byte;
        try {
          nonFinitePoints(request);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedProtobufError);
        }
      }),
    );
  });
});
