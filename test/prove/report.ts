import { renderTable } from '../../src/cli/table.ts';
import type { RunResult } from './prove.ts';

/** What became of every scenario, for people. */
export function tableOf(results: readonly RunResult[]): string {
  const number = (title: string, of: (ran: Ran) => number) => ({
    title,
    cell: ({ outcome }: RunResult) => (outcome.kind === 'ran' ? String(of(outcome)) : ''),
    align: 'right' as const,
  });
  return renderTable<RunResult>({
    rows: results,
    columns: [
      { title: 'SCENARIO', cell: ({ scenario }) => scenario.name },
      { title: 'QUEUE', cell: ({ queue }) => queue },
      { title: 'SECONDS', cell: ({ seconds }) => seconds.toFixed(1), align: 'right' },
      number('ACKNOWLEDGED', ({ counts }) => counts.acknowledged),
      number('REPEATED', ({ counts }) => counts.repeated),
      number('REFUSED', ({ counts }) => counts.refused),
      number('DELIVERED', ({ counts }) => counts.delivered),
      number('DUPLICATES', ({ counts }) => counts.duplicates),
      number('DEAD', ({ counts }) => counts.deadLettered),
      number('LOST', ({ counts }) => counts.lost),
      number('ANSWERS', ({ answers }) => answers.whole),
      number('PARTIAL', ({ answers }) => answers.partial),
      { title: 'RESULT', cell: verdictOf },
    ],
  });
}

type Ran = Extract<RunResult['outcome'], { kind: 'ran' }>;

export function isGreen({ outcome }: RunResult): boolean {
  return outcome.kind === 'unable' || outcome.findings.length === 0;
}

function verdictOf(result: RunResult): string {
  if (result.outcome.kind === 'unable') return 'not run';
  return isGreen(result) ? 'ok' : 'FAILED';
}

/** One run, as soon as it is over. */
export function lineOf(result: RunResult): string {
  return `${verdictOf(result)}: ${result.scenario.name}, ${result.queue} (${result.seconds.toFixed(1)} s)`;
}

/** Everything about those that failed, and why some were not run. */
export function detailsOf(results: readonly RunResult[]): string {
  return results.map(detailOf).join('');
}

function detailOf({ scenario, queue, outcome }: RunResult): string {
  const title = `${scenario.name}, ${queue}`;
  if (outcome.kind === 'unable') return `\nNot run: ${title}: ${outcome.reason}\n`;
  if (outcome.findings.length === 0) return '';
  const findings = outcome.findings.map(finding => `  - ${finding}\n`).join('');
  return `\nFAILED: ${title}\n${findings}${outcome.timeline.map(line => `  ${line}\n`).join('')}`;
}

/** The last line: what the exit code says, in words. */
export function summaryOf(seed: number, results: readonly RunResult[]): string {
  const failed = results.filter(result => !isGreen(result)).length;
  const unable = results.filter(({ outcome }) => outcome.kind === 'unable').length;
  const told = [
    failed === 0 ? 'nothing is wrong' : `${failed} of ${results.length} FAILED`,
    ...(unable === 0 ? [] : [`${unable} not run`]),
  ];
  return `seed ${seed}: ${told.join(', ')}`;
}

/** The same for programs. */
export function jsonOf(seed: number, results: readonly RunResult[]): object {
  return {
    seed,
    green: results.every(isGreen),
    runs: results.map(({ scenario, queue, seconds, outcome }) => ({
      scenario: scenario.name,
      queue,
      seconds: Number(seconds.toFixed(1)),
      ...(outcome.kind === 'ran'
        ? {
            ...outcome.counts,
            answers: outcome.answers,
            findings: outcome.findings,
            timeline: outcome.timeline,
          }
        : { notRun: outcome.reason }),
    })),
  };
}
