import { availableParallelism } from 'node:os';
import { expect, it } from 'vitest';
import { workerCount } from '../../../src/cli/compose/ingest.ts';
import { loadConfig } from '../../../src/shared/config/load.ts';

function workersFor(env: Record<string, string>): number {
  const loaded = loadConfig({ env });
  if (!loaded.ok) throw new Error(loaded.errors.join('; '));
  return workerCount(loaded.config);
}

it('an ingest replica has a worker for each core but one, and at least one', () => {
  expect(workersFor({})).toBe(Math.max(1, availableParallelism() - 1));
});

it('an ingest replica has as many workers as it is told', () => {
  expect(workersFor({ OTELFAN_INGEST_WORKERS: '5' })).toBe(5);
});
