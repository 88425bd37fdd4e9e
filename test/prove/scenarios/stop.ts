import type { Restartable } from '../../support/restartable.ts';
import { BOTH_QUEUES, type Scenario, type Trial } from '../scenario.ts';
import { PROCESS_KINDS } from '../site.ts';

/** A graceful stop of one process of each kind under load, then of two of different kinds at once. */
export const stopScenario: Scenario = {
  name: 'graceful stop: each kind, then two at once',
  queues: BOTH_QUEUES,
  async run(trial) {
    for (const kind of PROCESS_KINDS) {
      await trial.flow();
      await stopAndStart(trial, [trial.dice.pick(trial.site.of(kind))]);
    }
    await trial.flow();
    const [first, second] = trial.dice.pick([
      ['ingest', 'shard'],
      ['ingest', 'query'],
      ['query', 'shard'],
    ] as const);
    await stopAndStart(
      trial,
      [first, second].map(kind => trial.dice.pick(trial.site.of(kind))),
    );
  },
};

async function stopAndStart(trial: Trial, victims: readonly Restartable[]): Promise<void> {
  const names = victims.map(({ name }) => name).join(' and ');
  trial.note(`stop ${names}`);
  await Promise.all(
    victims.map(async victim => {
      const exitCode = await victim.stop();
      trial.check(exitCode === 0, `${victim.name} ended with ${exitCode} when it was asked to stop`);
    }),
  );
  await trial.pause(100, 800);
  trial.note(`start ${names}`);
  await Promise.all(victims.map(victim => victim.start()));
}
