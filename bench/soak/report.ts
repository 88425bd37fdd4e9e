import { renderTable } from '../../src/cli/table.ts';
import { type Figures, percentile, round } from '../figures.ts';
import type { Reading, Readings } from './readings.ts';

/** One window of the soak: what was measured in it, and what the processes used at its end. */
export interface Window extends Readings {
  readonly records: number;
  readonly repeats: number;
  readonly ackP99Ms: number;
  readonly queryP50Ms: number;
  readonly queryP99Ms: number;
  readonly incomplete: number;
}

export function lineOf(number: number, window: Window): string {
  const { records, ackP99Ms, queryP50Ms, queryP99Ms, redisMib, queued, repeats, processes } = window;
  const residentMib = [...processes.values()].reduce((sum, reading) => sum + reading.residentMib, 0);
  return (
    `${String(number).padStart(3)}: ${records} records, ack p99 ${ackP99Ms.toFixed(0)} ms, ` +
    `query p50 ${queryP50Ms.toFixed(0)} ms, p99 ${queryP99Ms.toFixed(0)} ms, ${queued} queued, ${repeats} repeats, ` +
    `all processes ${residentMib.toFixed(0)} MiB, Redis ${redisMib.toFixed(0)} MiB`
  );
}

/** The median of each half, and how many times the first the second is. */
export function report(windows: readonly Window[], rate: number): Figures {
  const half = Math.floor(windows.length / 2);
  const halves = [windows.slice(0, half), windows.slice(-half)] as const;
  const rows = measuresOf(windows).map(({ name, of }) => {
    const [first, second] = halves.map(some => percentile(some.map(of), 0.5)) as [number, number];
    return { name, first, second, ratio: first === 0 ? 1 : second / first };
  });
  const number = (value: number) => round(value).toLocaleString('en');
  process.stdout.write(
    renderTable({
      rows,
      columns: [
        { title: 'MEDIAN OF A WINDOW', cell: ({ name }) => name },
        { title: 'FIRST HALF', cell: ({ first }) => number(first), align: 'right' },
        { title: 'SECOND HALF', cell: ({ second }) => number(second), align: 'right' },
        { title: 'RATIO', cell: ({ ratio }) => ratio.toFixed(2), align: 'right' },
      ],
    }),
  );
  const sum = (of: (window: Window) => number) => windows.reduce((total, window) => total + of(window), 0);
  return {
    records_per_second: Math.round(rate),
    records: sum(({ records }) => records),
    repeats: sum(({ repeats }) => repeats),
    incomplete_answers: sum(({ incomplete }) => incomplete),
    ...Object.fromEntries(
      rows.flatMap(({ name, second, ratio }) => {
        const key = name.replaceAll(/[^a-zA-Z0-9]+/g, '_').toLowerCase();
        return [
          [key, round(second)],
          [`${key}_ratio`, round(ratio)],
        ];
      }),
    ),
  };
}

interface Measure {
  readonly name: string;
  readonly of: (window: Window) => number;
}

function measuresOf(windows: readonly Window[]): readonly Measure[] {
  const names = [...(windows[0]?.processes.keys() ?? [])];
  const ofProcess = (process: string, what: string, pick: (reading: Reading) => number): Measure => ({
    name: `${process} ${what}`,
    of: window => pick(window.processes.get(process) as Reading),
  });
  return [
    { name: 'ack p99 ms', of: ({ ackP99Ms }) => ackP99Ms },
    { name: 'query p50 ms', of: ({ queryP50Ms }) => queryP50Ms },
    { name: 'query p99 ms', of: ({ queryP99Ms }) => queryP99Ms },
    { name: 'queued batches', of: ({ queued }) => queued },
    { name: 'redis MiB', of: ({ redisMib }) => redisMib },
    ...names.flatMap(process => [
      ofProcess(process, 'resident MiB', ({ residentMib }) => residentMib),
      ofProcess(process, 'open files', ({ openFiles }) => openFiles),
      ofProcess(process, 'handles', ({ handles }) => handles),
      ofProcess(process, 'loop delay p99 ms', ({ loopDelayP99Ms }) => loopDelayP99Ms),
    ]),
  ];
}
