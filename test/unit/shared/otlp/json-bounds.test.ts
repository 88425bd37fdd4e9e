import { describe, expect, it } from 'vitest';
import { createJsonTranscoder } from '../../../../src/shared/otlp/json-transcoder.ts';
import { createOtlpTypes } from '../../../../src/shared/otlp/messages.ts';

const transcoder = createJsonTranscoder(createOtlpTypes());

function reasonFor(json: string): string | undefined {
  const transcoded = transcoder.toProtobuf('traces', Buffer.from(json));
  return transcoded.kind === 'malformed' ? transcoded.reason : undefined;
}

/** Two megabytes with unknown members and their names, all different. */
function names(count: number): string {
  const members = Array.from({ length: count }, (_, index) => `"${String(index).padStart(100, 'n')}":0`);
  return `{"unknown":[{${members.join('},{')}}],"text":"${'x'.repeat(2_000_000)}"}`;
}

describe('JSON that costs a parser many times its size', () => {
  it('with millions of empty objects is refused', () => {
    expect(reasonFor(`{"unknown":[${'{},'.repeat(4_000_000)}{}]}`)).toContain(
      'more than 4000000 objects and arrays',
    );
  });

  it('with nothing but opening brackets is refused for that', () => {
    expect(reasonFor('['.repeat(2_000_000))).toContain('nested deeper than 200 levels');
  });

  it('with thousands of different member names is refused', () => {
    expect(reasonFor(names(2000))).toContain('more than 1000 different member names');
    expect(reasonFor(names(900))).toBeUndefined();
  });

  it('is told from brackets, colons and quotes in strings', () => {
    const text = JSON.stringify(`{[:"\\${'[:"\\'.repeat(300_000)}`);
    expect(reasonFor(`{"resourceSpans":[{"schemaUrl":${text}}]}`)).toBeUndefined();
  });

  it('is not a large request of spans', () => {
    const span = {
      traceId: 'a'.repeat(32),
      spanId: 'b'.repeat(16),
      attributes: [{ key: 'k', value: { stringValue: 'v' } }],
    };
    const request = {
      resourceSpans: [{ scopeSpans: [{ spans: Array.from({ length: 100_000 }, () => span) }] }],
    };
    expect(reasonFor(JSON.stringify(request))).toBeUndefined();
  });
});
