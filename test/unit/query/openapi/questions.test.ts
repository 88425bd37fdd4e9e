import { expect, it } from 'vitest';
import { createDice } from '../../../equivalence/dice.ts';
import { QUESTIONS } from '../../../equivalence/questions.ts';
import { OPERATIONS } from '../../../support/openapi.ts';

/** Answers of one shard, of any that has it, or as they come: there is nothing to compare. */
const NOT_MERGED = ['/api/v1/sql', '/api/v1/blobs/{sha256}', '/api/v1/traces/live', '/api/v1/logs/live'];

const merged = OPERATIONS.filter(
  ({ method, path }) => method === 'get' && path.startsWith('/api/') && !NOT_MERGED.includes(path),
);
const dice = createDice(1);
const asked = QUESTIONS.map(question => question.ask(dice, { traceIds: ['0'.repeat(32)] }));

it.each(merged)('N shards are compared with one in $method $path', ({ path }) => {
  const form = new RegExp(`^${path.replace(/\{\w+\}/g, '(?!live)[^/?]+')}(\\?.*)?$`);
  expect(asked.some(each => form.test(each))).toBe(true);
});
