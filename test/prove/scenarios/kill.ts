import { childrenOf } from '../../support/process-usage.ts';
import type { Restartable } from '../../support/restartable.ts';
import { BOTH_QUEUES, type Scenario, type Trial } from '../scenario.ts';
import { PROCESS_KINDS, type Site } from '../site.ts';

const ROUNDS = 2;
/** Enough that hardly a moment has no export half stored. */
const BUSY = { senders: 8, pauseMs: 10 };

/** `kill -9` of a process of each kind, then of another, and of two at once. */
export const killScenarios: readonly Scenario[] = [
  ...PROCESS_KINDS.map(
    (kind): Scenario => ({
      name: `kill -9: ${kind}`,
      queues: BOTH_QUEUES,
      ...(kind === 'ingest' && { traffic: BUSY }),
      async run(trial) {
        for (let round = 0; round < ROUNDS; round += 1) {
          await trial.flow();
          await killAndStart(trial, [trial.dice.pick(trial.site.of(kind))]);
        }
      },
    }),
  ),
  {
    name: 'kill -9: two processes at once',
    queues: BOTH_QUEUES,
    async run(trial) {
      for (let round = 0; round < ROUNDS; round += 1) {
        await trial.flow();
        const all = everything(trial.site);
        const first = trial.dice.pick(all);
        await killAndStart(trial, [first, trial.dice.pick(all.filter(process => process !== first))]);
      }
    },
  },
  {
    name: 'kill -9: ingest worker',
    queues: BOTH_QUEUES,
    traffic: BUSY,
    async run(trial) {
      const [replica] = trial.site.of('ingest') as [Restartable];
      const workers = () => childrenOf(replica.pid);
      for (let round = 0; round < ROUNDS; round += 1) {
        await trial.flow();
        const before = workers();
        const victim = trial.dice.pick(before);
        trial.note(`kill -9 worker ${victim} of ${replica.name}`);
        process.kill(victim, 'SIGKILL');
        const isReplaced = () => workers().length === before.length && !workers().includes(victim);
        await trial.until(isReplaced, 'the worker is started again');
      }
    },
  },
];

type Victim = Pick<Restartable, 'name' | 'kill' | 'start'>;

function everything({ of, redis }: Site): readonly Victim[] {
  const processes = PROCESS_KINDS.flatMap(kind => of(kind));
  return redis === undefined ? processes : [...processes, { ...redis, name: 'Redis' }];
}

async function killAndStart(trial: Trial, victims: readonly Victim[]): Promise<void> {
  const names = victims.map(({ name }) => name).join(' and ');
  trial.note(`kill -9 ${names}`);
  await Promise.all(victims.map(victim => victim.kill()));
  await trial.pause(100, 1200);
  trial.note(`start ${names}`);
  await Promise.all(victims.map(victim => victim.start()));
}
