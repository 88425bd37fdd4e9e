import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Tests wait for what they expect, and a busy machine only makes them wait longer. */
const patience = { testTimeout: 120_000, hookTimeout: 120_000, expect: { poll: { timeout: 30_000 } } };
const shared = {
  ...patience,
  // Loading what is tested anew for each file would take as long as most files do. Nothing keeps state in modules.
  isolate: false,
  // Two on two cores, too: much of the time tests wait for processes, disks and clocks.
  maxWorkers: Math.max(2, availableParallelism() - 1),
};

export default defineConfig({
  test: {
    reporters: ['default', './test/support/skip-reporter.ts'],
    projects: [
      { test: { ...shared, name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      { test: { ...shared, name: 'property', include: ['test/property/**/*.test.ts'] } },
      { test: { ...shared, name: 'integration', include: ['test/integration/**/*.test.ts'] } },
      {
        test: {
          ...patience,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 240_000,
          hookTimeout: 120_000,
          // Each file starts several processes.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
