import { expect, it } from 'vitest';
import { oneDecimal } from '../../../../src/query/merge/figures.ts';

it.each([
  [0, '0.0'],
  [0.25, '0.2'],
  [0.75, '0.8'],
  [12.25, '12.2'],
  [0.05, '0.1'],
  [0.15, '0.1'],
  [0.35, '0.3'],
  [99.95, '100.0'],
  [2 ** 40 + 0.25, '1099511627776.2'],
])('%d has one decimal, %s', (figure, text) => {
  expect(oneDecimal(figure)).toBe(text);
});
