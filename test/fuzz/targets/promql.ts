import assert from 'node:assert/strict';
import { parsePromql } from '../../../src/query/promql/parse.ts';
import { type FuzzTarget, plainTarget, texts } from '../target.ts';

/** Any text is a query or a parse error. */
export function promqlTarget(): FuzzTarget {
  return plainTarget({
    name: 'promql',
    seeds: texts(
      'http_requests_total{service="a",method=~"GET|POST"}',
      'sum by (service) (rate({__name__="http.server.duration"}[5m]))',
      'topk(3, avg by (host) (increase(x{a!~"b.*"}[1h30m])))',
      '((x))',
    ),
    dictionary: [
      '{',
      '}',
      '(',
      ')',
      '[5m]',
      '=~',
      '!~',
      '"',
      '\\u00e9',
      '`',
      ' by ',
      'rate',
      'offset 5m',
      '@ 1',
      '#',
      '.*',
    ],
    check(input) {
      const parsed = parsePromql(input.toString());
      if (parsed.kind === 'bad') assert.match(parsed.error, /^parse error: ./);
    },
  });
}
