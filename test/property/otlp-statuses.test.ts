import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONDITIONS, type Condition } from '../../src/shared/otlp/conditions.ts';
import { refuse } from '../../src/shared/otlp/door.ts';
import { exportResponse, rpcStatus } from '../../src/shared/otlp/responses.ts';
import { SIGNAL_FACTS, SIGNALS } from '../../src/shared/otlp/signal.ts';
import {
  decodeExportResponse,
  decodeStatus,
  isRetryableGrpcStatus,
  isRetryableHttpStatus,
} from '../support/otlp-answers.ts';

const conditions = Object.keys(CONDITIONS) as Condition[];
const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';
const BAD_REQUEST = 'type.googleapis.com/google.rpc.BadRequest';

const refusal = fc
  .tuple(
    fc.constantFrom(...conditions),
    fc.string({ unit: 'binary' }),
    fc.option(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { nil: undefined }),
  )
  .map(([condition, message, retryAfterMs]) => refuse(condition, message, retryAfterMs));

describe('the status table', () => {
  it.each(conditions)(
    'a sender that follows OTLP concludes from %s what we meant, over HTTP and gRPC',
    condition => {
      const { http, grpc, retryable } = CONDITIONS[condition];
      expect(isRetryableHttpStatus(http)).toBe(retryable);
      const { details } = decodeStatus(rpcStatus(refuse(condition, 'why'), 'protobuf'));
      expect(isRetryableGrpcStatus(grpc, details.includes(RETRY_INFO))).toBe(retryable);
    },
  );

  it('a status has RetryInfo exactly where the sender should come back, and BadRequest where it must not', () => {
    fc.assert(
      fc.property(refusal, given => {
        const { code, details } = decodeStatus(rpcStatus(given, 'protobuf'));
        const { grpc, retryable } = CONDITIONS[given.condition];
        expect(code).toBe(grpc);
        expect(details.includes(RETRY_INFO)).toBe(retryable);
        expect(details.includes(BAD_REQUEST)).toBe(given.condition === 'malformed');
      }),
    );
  });

  it('a wait is 1 to 5 seconds whatever was wished for', () => {
    fc.assert(
      fc.property(refusal, given => {
        const { details = [] } = JSON.parse(rpcStatus(given, 'json').toString()) as {
          details?: { retryDelay?: string }[];
        };
        const delays = details.flatMap(({ retryDelay }) => (retryDelay === undefined ? [] : [retryDelay]));
        expect(delays).toHaveLength(CONDITIONS[given.condition].retryable ? 1 : 0);
        for (const delay of delays) {
          expect(delay).toMatch(/^\d+(?:\.\d{1,9})?s$/);
          expect(Number.parseFloat(delay)).toBeGreaterThanOrEqual(1);
          expect(Number.parseFloat(delay)).toBeLessThanOrEqual(5);
        }
      }),
    );
  });

  it('protobuf and JSON say the same', () => {
    fc.assert(
      fc.property(refusal, given => {
        const json = JSON.parse(rpcStatus(given, 'json').toString()) as {
          code: number;
          message: string;
          details?: { '@type': string }[];
        };
        expect(decodeStatus(rpcStatus(given, 'protobuf'))).toEqual({
          code: json.code,
          message: json.message,
          details: (json.details ?? []).map(detail => detail['@type']),
        });
      }),
    );
  });

  it('a status fits into the headers of a gRPC answer, whatever its message', () => {
    const bytes = rpcStatus(refuse('malformed', '\u{1f600}'.repeat(1_000_000)), 'protobuf');
    expect(bytes.length).toBeLessThan(4096);
    expect(decodeStatus(bytes).message).not.toContain('\ufffd\ufffd');
  });
});

describe('partial success', () => {
  const outcome = fc.record({
    kind: fc.constant('accepted' as const),
    rejected: fc.nat(),
    message: fc.oneof(fc.constant(''), fc.string({ unit: 'grapheme' })),
  });

  it('is there exactly when something was rejected or is to be said, never empty, in both encodings', () => {
    fc.assert(
      fc.property(fc.constantFrom(...SIGNALS), outcome, (signal, given) => {
        const isPartial = given.rejected > 0 || given.message !== '';
        const expected = isPartial ? { rejected: given.rejected, errorMessage: given.message } : undefined;
        expect(decodeExportResponse(exportResponse(signal, given, 'protobuf'))).toEqual(expected);
        const json = JSON.parse(exportResponse(signal, given, 'json').toString()) as Record<string, unknown>;
        const { rejectedField } = SIGNAL_FACTS[signal];
        expect(json).toEqual(
          isPartial
            ? { partialSuccess: { [rejectedField]: String(given.rejected), errorMessage: given.message } }
            : {},
        );
      }),
    );
  });

  it('is shortened at its message, so that a Collector reads all of it', () => {
    const given = { kind: 'accepted', rejected: 3, message: '€'.repeat(5_000_000) } as const;
    for (const encoding of ['protobuf', 'json'] as const)
      expect(exportResponse('logs', given, encoding).length).toBeLessThan(64 * 1024);
    const decoded = decodeExportResponse(exportResponse('logs', given, 'protobuf'));
    expect(decoded?.rejected).toBe(3);
    expect(decoded?.errorMessage).toMatch(/^€{1000,}…$/);
  });
});
