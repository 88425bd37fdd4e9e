import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support/systems.ts';
import { BOTH_QUEUES, type Scenario, type Trial } from '../scenario.ts';

const SHIFTED = join(import.meta.dirname, '..', 'preload', 'clock.ts');
const HOUR_MS = 3_600_000;

/** The wall clock of every process jumps, while a shard is down and batches wait for it. */
export const clockScenario: Scenario = {
  name: 'the clock jumps',
  queues: BOTH_QUEUES,
  async arrange({ cleanup }) {
    const folder = await temporaryFolder();
    cleanup(() => folder.remove());
    const file = join(folder.path, 'clock');
    const set = (offsetMs: number) => {
      writeFileSync(`${file}.new`, String(offsetMs));
      renameSync(`${file}.new`, file);
    };
    set(0);
    return {
      site: { preload: [SHIFTED], env: { PROVE_CLOCK_FILE: file } },
      run: trial => jump(trial, set),
    };
  },
};

async function jump(trial: Trial, set: (offsetMs: number) => void): Promise<void> {
  const { site, dice } = trial;
  const small = () => 1000 * (20 + dice.below(100));
  // Ahead of the repeat window, repeats are not known any more.
  trial.ledger.allowRepeatsTwice();
  for (const offsetMs of [small(), -small(), HOUR_MS, 0, -HOUR_MS]) {
    await trial.flow();
    const victim = dice.pick(site.of('shard'));
    trial.note(`kill -9 ${victim.name}`);
    await victim.kill();
    await trial.pause(300, 800);
    trial.note(`the clock is ${offsetMs / 1000} s off`);
    set(offsetMs);
    await trial.pause(100, 400);
    trial.note(`start ${victim.name}`);
    await victim.start();
  }
}
