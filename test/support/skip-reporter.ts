import type { Reporter, TestModule, Vitest } from 'vitest/node';

/** Ends a run with what was not run and why: a skipped test that nobody hears of is a hole. */
export default class SkipReporter implements Reporter {
  #isFiltered = false;

  onInit(vitest: Vitest): void {
    this.#isFiltered = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines: string[] = [];
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'pending') continue;
        counts[result.state]++;
        if (result.state !== 'skipped') continue;
        // Whoever filters by name knows what is left out.
        if (result.note === undefined && this.#isFiltered) continue;
        lines.push(`  ${test.fullName}: ${result.note ?? 'no reason given'}`);
      }
    }
    if (lines.length > 0) process.stdout.write(`\nNot run, and why:\n${lines.join('\n')}\n`);
    process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  }
}
