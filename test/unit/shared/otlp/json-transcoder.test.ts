import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createJsonTranscoder } from '../../../../src/shared/otlp/json-transcoder.ts';
import { createOtlpTypes } from '../../../../src/shared/otlp/messages.ts';
import type { Signal } from '../../../../src/shared/otlp/signal.ts';
import { otlpRequests } from '../../../support/otlp-requests.ts';

const types = createOtlpTypes();
const transcoder = createJsonTranscoder(types);

function transcode(signal: Signal, json: string) {
  return transcoder.toProtobuf(signal, Buffer.from(json));
}

/** What a decoder of protobuf sees, 64-bit integers as text. */
function decoded(signal: Signal, json: string): unknown {
  const result = transcode(signal, json);
  if (result.kind === 'malformed') throw new Error(result.reason);
  const type = types.request(signal);
  return type.toObject(type.decode(result.body), { longs: String, bytes: String, json: true });
}

function reasonFor(signal: Signal, json: string): string {
  const result = transcode(signal, json);
  return result.kind === 'malformed' ? result.reason : 'accepted';
}

const span = (members: string) => `{"resourceSpans":[{"scopeSpans":[{"spans":[{${members}}]}]}]}`;
const spanOf = (members: object) => ({ resourceSpans: [{ scopeSpans: [{ spans: [members] }] }] });

describe('OTLP/JSON', () => {
  it('ids are hex of any case and other bytes base64', () => {
    const json = span(
      '"traceId":"0AF7651916CD43DD8448EB211C80319c","attributes":[{"key":"b","value":{"bytesValue":"AQI="}}]',
    );
    expect(decoded('traces', json)).toEqual(
      spanOf({
        traceId: Buffer.from('0af7651916cd43dd8448eb211c80319c', 'hex').toString('base64'),
        attributes: [{ key: 'b', value: { bytesValue: 'AQI=' } }],
      }),
    );
  });

  it.each([
    ['"1700000000123456789"', '1700000000123456789'],
    ['1700000000123456789', '1700000000123456789'],
    ['18446744073709551615', '18446744073709551615'],
    ['1700000000000000000', '1700000000000000000'],
    ['5', '5'],
  ])('the 64-bit integer %s is kept exactly, as a string or a number', (written, kept) => {
    expect(decoded('traces', span(`"startTimeUnixNano":${written}`))).toEqual(
      spanOf({ startTimeUnixNano: kept }),
    );
  });

  it('digits inside strings and fractions stay as they are', () => {
    const text = 'at 12345678901234567890, said \\"9999999999999999999\\"';
    const json = span(
      `"name":"${text}","startTimeUnixNano":17000000000000000001,"attributes":[{"key":"d","value":{"doubleValue":0.12345678901234567890}}]`,
    );
    expect(decoded('traces', json)).toMatchObject(
      spanOf({
        name: 'at 12345678901234567890, said "9999999999999999999"',
        startTimeUnixNano: '17000000000000000001',
        attributes: [{ key: 'd', value: { doubleValue: 0.12345678901234568 } }],
      }),
    );
  });

  it('non-finite doubles are strings', () => {
    const point = (value: string) =>
      `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"asDouble":${value}}]}}]}]}]}`;
    for (const value of ['NaN', 'Infinity', '-Infinity']) {
      expect(JSON.stringify(decoded('metrics', point(`"${value}"`)))).toContain(`"asDouble":"${value}"`);
    }
  });

  it('an explicit zero of an optional member is kept apart from an absent one', () => {
    const json =
      '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"sum":0}]}}]}]}]}';
    expect(JSON.stringify(decoded('metrics', json))).toContain('"sum":0');
    expect(JSON.stringify(decoded('metrics', json.replace('"sum":0', '')))).not.toContain('sum');
  });

  it('unknown members and null are ignored', () => {
    expect(decoded('traces', span('"name":"a","new":{"deep":[1]},"kind":null'))).toEqual(
      spanOf({ name: 'a' }),
    );
  });

  it('snake_case members are taken with a warning', () => {
    const result = transcode(
      'traces',
      '{"resource_spans":[{"scope_spans":[{"spans":[{"start_time_unix_nano":"7"}]}]}]}',
    );
    expect(result).toMatchObject({
      kind: 'body',
      warnings: [expect.stringContaining('lowerCamelCase') as string],
    });
    const camelCase = transcode('traces', span('"startTimeUnixNano":"7"'));
    expect(result.kind === 'body' && camelCase.kind === 'body' && result.body.equals(camelCase.body)).toBe(
      true,
    );
  });

  it.each([
    ['{', 'invalid OTLP/JSON: '],
    ['[]', 'body: expected an object, got an array'],
    ['"x"', 'body: expected an object'],
    [span('"kind":"SPAN_KIND_SERVER"'), 'resourceSpans[0].scopeSpans[0].spans[0].kind: expected an integer'],
    [
      span('"kind":2147483648'),
      'spans[0].kind: expected an integer from -2147483648 to 2147483647, got 2147483648',
    ],
    [span('"traceId":"xyz"'), 'spans[0].traceId: expected hex digits, got "xyz"'],
    [
      span('"startTimeUnixNano":"-1"'),
      'startTimeUnixNano: expected an integer from 0 to 18446744073709551615, got "-1"',
    ],
    [span('"startTimeUnixNano":1.5'), 'startTimeUnixNano: expected an integer'],
    [span('"startTimeUnixNano":"18446744073709551616"'), 'startTimeUnixNano: expected an integer'],
    [span('"attributes":{}'), 'attributes: expected an array, got an object'],
    [span('"name":7'), 'name: expected a string, got 7'],
  ])('%s is malformed, and the reason names the member, the value and what is expected', (json, reason) => {
    expect(reasonFor('traces', json)).toContain(reason);
  });

  it('every field of every signal is what protobufjs makes of it', () => {
    for (const signal of ['traces', 'logs', 'metrics'] as const) {
      fc.assert(
        fc.property(otlpRequests[signal], request => {
          const type = types.request(signal);
          // protobufjs reads base64 where OTLP/JSON has hex.
          const asBase64 = JSON.parse(JSON.stringify(request), (name, value: unknown) =>
            /^(?:trace|span|parentSpan)Id$/.test(name)
              ? Buffer.from(value as string, 'hex').toString('base64')
              : value,
          ) as Record<string, unknown>;
          const expected = type.toObject(type.decode(type.encode(type.fromObject(asBase64)).finish()), {
            longs: String,
            bytes: String,
            json: true,
          });
          expect(decoded(signal, JSON.stringify(request))).toEqual(expected);
        }),
      );
    }
  });

  it('of two members of a oneof the last counts', () => {
    const value = (members: string) => span(`"attributes":[{"key":"a","value":{${members}}}]`);
    const kept = (members: object) => spanOf({ attributes: [{ key: 'a', value: members }] });
    expect(decoded('traces', value('"stringValue":"s","boolValue":true'))).toEqual(kept({ boolValue: true }));
    expect(decoded('traces', value('"boolValue":true,"stringValue":"s"'))).toEqual(
      kept({ stringValue: 's' }),
    );
  });

  it('the place of an error is named in lists of lists', () => {
    const json = span('"name":"a"},{"events":[{},{"attributes":[{"key":"k","value":{"intValue":{}}}]}]');
    expect(reasonFor('traces', json)).toBe(
      'invalid OTLP/JSON: resourceSpans[0].scopeSpans[0].spans[1].events[1].attributes[0].value.intValue: ' +
        'expected an integer from -9223372036854775808 to 9223372036854775807, got an object',
    );
  });

  it('a body that is not UTF-8 is malformed', () => {
    expect(transcoder.toProtobuf('traces', Buffer.from([0x22, 0xff, 0x22]))).toMatchObject({
      kind: 'malformed',
      reason: 'invalid OTLP/JSON: body is not valid UTF-8',
    });
  });

  it('nesting is bounded', () => {
    const nested = (depth: number) =>
      `${'{"arrayValue":{"values":['.repeat(depth)}{"intValue":"1"}${']}}'.repeat(depth)}`;
    expect(reasonFor('traces', span(`"attributes":[{"key":"a","value":${nested(10)}}]`))).toBe('accepted');
    expect(reasonFor('traces', span(`"attributes":[{"key":"a","value":${nested(1000)}}]`))).toContain(
      'nested deeper',
    );
    expect(reasonFor('traces', `{"resourceSpans":${'['.repeat(200_000)}`)).toContain('invalid OTLP/JSON');
  });

  it('a string of escaped quotes that never ends is refused at once', () => {
    const startedMs = performance.now();
    expect(reasonFor('logs', `[1234567890123456,"${'\\"'.repeat(100_000)}`)).toMatch(/^invalid OTLP\/JSON/);
    expect(performance.now() - startedMs).toBeLessThan(2000);
  });

  it('a wrong value that is nested deeper than the stack is refused like any other', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    expect(reasonFor('logs', deep)).toContain('body: expected an object, got an array');
  });

  it('a long string of escapes next to a long integer is kept', () => {
    const json = span(`"startTimeUnixNano":1700000000123456789,"name":"${'\\n'.repeat(5_000_000)}"`);
    expect(transcode('traces', json).kind).toBe('body');
  });
});
