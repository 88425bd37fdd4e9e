import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';

/** Figures of a case by name; the last line on stdout is the headline ones as one JSON object. */
export type Figures = Readonly<Record<string, number>>;

/** Rounded to three significant digits: more would be noise. */
export function round(value: number): number {
  return Number(value.toPrecision(3));
}

/** The nearest of the measured values; 0 of none. */
export function percentile(values: readonly number[], p: number): number {
  return values.toSorted((a, b) => a - b)[Math.round((values.length - 1) * p)] ?? 0;
}

/** Writes everything that was measured beside what it was measured on; resolves to the file. */
export function writeFigures(name: string, figures: Figures): string {
  const dir = join(import.meta.dirname, 'results');
  mkdirSync(dir, { recursive: true });
  const file = join(dir, `${name}.json`);
  const machine = { cores: availableParallelism(), cpu: cpus()[0]?.model, node: process.version };
  writeFileSync(
    file,
    `${JSON.stringify({ case: name, takenAt: new Date().toISOString(), machine, figures }, null, 2)}\n`,
  );
  return file;
}
