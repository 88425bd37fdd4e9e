import { describe, expect, it } from 'vitest';
import {
  formatNanos,
  formatNanosWithOffset,
  parseNanos,
  parseTimeNanos,
  parseWindowNanos,
} from '../../../src/shared/time.ts';

describe('formatNanos', () => {
  it.each([
    [1_700_000_000_000_000_000n, '2023-11-14T22:13:20Z'],
    [1_700_000_000_100_000_000n, '2023-11-14T22:13:20.100Z'],
    [1_700_000_000_123_456_000n, '2023-11-14T22:13:20.123456Z'],
    [1_700_000_000_123_456_789n, '2023-11-14T22:13:20.123456789Z'],
    [0n, '1970-01-01T00:00:00Z'],
    [1n, '1970-01-01T00:00:00.000000001Z'],
    [18_446_744_073_709_551_615n, '2554-07-21T23:34:33.709551615Z'],
  ])('prints %d as %s, with the shortest lossless fraction of 0, 3, 6 or 9 digits', (nanos, text) => {
    expect(formatNanos(nanos)).toBe(text);
  });
});

describe('formatNanosWithOffset', () => {
  it('prints the same time with +00:00 for Z', () => {
    expect(formatNanosWithOffset(1_700_000_000_123_456_789n)).toBe('2023-11-14T22:13:20.123456789+00:00');
    expect(formatNanosWithOffset(0n)).toBe('1970-01-01T00:00:00+00:00');
  });
});

describe('parseNanos', () => {
  it.each([0n, 1n, 1_700_000_000_000_000_000n, 1_700_000_000_120_000_000n, 18_446_744_073_709_551_615n])(
    'reads the time of %d ns as it is printed',
    nanos => {
      expect(parseNanos(formatNanos(nanos))).toBe(nanos);
    },
  );

  it.each([
    '',
    'now',
    '2023-11-14T22:13:20',
    '2023-11-14T22:13:20+00:00',
    '2023-13-14T22:13:20Z',
    '2023-11-14T22:13:20.1Z',
  ])('does not take %j for a time', text => {
    expect(parseNanos(text)).toBeUndefined();
  });
});

describe('parseWindowNanos', () => {
  it.each([
    ['90', 90_000_000_000n],
    ['0', 0n],
    ['15m', 900_000_000_000n],
    [' 24h ', 86_400_000_000_000n],
    ['7d', 604_800_000_000_000n],
    ['+5s', 5_000_000_000n],
  ])('reads %j', (text, nanos) => {
    expect(parseWindowNanos(text)).toBe(nanos);
  });

  it.each(['', '1.5h', '500ms', '1w', '1H', '5 m', '1h30m', '-5', '99999999999d', '9223372036854775808d'])(
    'refuses %j instead of taking it for no bound',
    text => {
      expect(parseWindowNanos(text)).toBeUndefined();
    },
  );
});

describe('parseTimeNanos', () => {
  it.each([
    ['2023-11-14T22:13:20Z', 1_700_000_000_000_000_000n],
    ['2023-11-14T22:13:20.123456789+00:00', 1_700_000_000_123_456_789n],
    ['2023-11-14 22:13:20.1z', 1_700_000_000_100_000_000n],
    ['2023-11-15T00:43:20.5+02:30', 1_700_000_000_500_000_000n],
    ['2023-11-14T20:13:20-02:00', 1_700_000_000_000_000_000n],
    ['1969-12-31T23:00:00-01:00', 0n],
    ['2023-11-14T22:13:20.1234567899999Z', 1_700_000_000_123_456_789n],
    ['2024-02-29T00:00:00Z', 1_709_164_800_000_000_000n],
    ['2554-07-21T23:34:33.709551615Z', 18_446_744_073_709_551_615n],
  ])('reads %s', (text, nanos) => {
    expect(parseTimeNanos(text)).toBe(nanos);
  });

  it('reads what formatNanos and formatNanosWithOffset print', () => {
    for (const nanos of [0n, 1n, 1_700_000_000_120_000_000n, 1_700_000_000_123_456_789n]) {
      expect(parseTimeNanos(formatNanos(nanos))).toBe(nanos);
      expect(parseTimeNanos(formatNanosWithOffset(nanos))).toBe(nanos);
    }
  });

  it.each([
    '',
    'now',
    '1700000000',
    '2023-11-14',
    '2023-11-14T22:13Z',
    '2023-11-14T22:13:20',
    '2023-11-14T22:13:20.Z',
    '2023-11-14T22:13:20+0000',
    '2023-11-14T24:00:00Z',
    '2023-11-14T22:60:00Z',
    '2023-13-01T00:00:00Z',
    '2023-02-30T00:00:00Z',
    '1969-12-31T23:59:59Z',
    '2554-07-21T23:34:33.709551616Z',
    '9999-12-31T23:59:59Z',
  ])('refuses %j', text => {
    expect(parseTimeNanos(text)).toBeUndefined();
  });
});
