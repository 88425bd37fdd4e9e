import { createDice, type Dice } from '../../equivalence/dice.ts';
import { runCli } from '../../support/cli.ts';
import { NONE, type Trouble, type Weather } from '../chaos-proxy.ts';
import { BOTH_QUEUES, type Scenario, type Trial } from '../scenario.ts';

interface Kind {
  readonly name: string;
  readonly trouble: (dice: Dice) => Trouble;
  /** What reads meet; by default the same. */
  readonly reads?: (dice: Dice) => Trouble;
  /** Whether it is long or bad enough that answers come without the shard, and have to say so. */
  readonly isMissed?: true;
  readonly afterwards?: (trial: Trial) => Promise<void>;
}

const KINDS: readonly Kind[] = [
  { name: 'hangs', trouble: () => ({ kind: 'hang' }), isMissed: true },
  { name: 'is slow', trouble: dice => ({ kind: 'slow', ms: 50 + dice.below(1200) }) },
  { name: 'answers 429', trouble: () => ({ kind: 'answer', status: 429, retryAfter: '1' }), isMissed: true },
  { name: 'answers 503', trouble: () => ({ kind: 'answer', status: 503 }), isMissed: true },
  {
    name: 'answers 400, and dead letters are replayed',
    trouble: () => ({ kind: 'answer', status: 400 }),
    reads: () => NONE,
    afterwards: replayDeadLetters,
  },
  {
    name: 'cuts connections in the middle',
    trouble: dice => dice.pick<Trouble>([NONE, { kind: 'cut request' }, { kind: 'cut answer' }]),
  },
];

/** One shard in trouble, as its senders and its readers see it. */
export const shardNetworkScenarios: readonly Scenario[] = [
  ...KINDS.map(
    ({ name, trouble, reads = trouble, isMissed = false, afterwards }): Scenario => ({
      name: `shard ${name}`,
      queues: BOTH_QUEUES,
      async run(trial) {
        await inTrouble(trial, {
          batches: always(trial, trouble),
          reads: always(trial, reads),
          isMissed,
        });
        await afterwards?.(trial);
      },
    }),
  ),
  {
    name: 'shard stores a batch, and its answer is lost',
    queues: BOTH_QUEUES,
    // The batch id alone has to recognise what is delivered again.
    arrange: () =>
      Promise.resolve({ site: { settings: { shard: { repeatWindow: '0' } } }, run: loseAnswers }),
    traffic: { repeats: 0 },
  },
];

async function loseAnswers(trial: Trial): Promise<void> {
  trial.ledger.allowRepeatsTwice();
  const batches = always(trial, dice => (dice.chance(0.5) ? { kind: 'lose answer' } : NONE));
  await inTrouble(trial, { batches, reads: () => NONE, isMissed: false });
}

function always(trial: Trial, trouble: (dice: Dice) => Trouble): Weather {
  const dice = createDice(trial.dice.below(2 ** 31));
  return () => trouble(dice);
}

interface Phase {
  readonly batches: Weather;
  readonly reads: Weather;
  readonly isMissed: boolean;
}

async function inTrouble(trial: Trial, { batches, reads, isMissed }: Phase): Promise<void> {
  const { id, otlp, read } = trial.site.faulty;
  const before = otlp.troubled;
  const partialBefore = trial.answers().partial;
  await trial.flow();
  trial.note(`trouble on the way to ${id} begins`);
  otlp.turn(batches);
  read.turn(reads);
  await trial.until(() => otlp.troubled > before, 'a batch meets the trouble');
  await trial.flow();
  await trial.pause(800, 2000);
  if (isMissed)
    await trial.until(() => trial.answers().partial > partialBefore, 'an answer comes without the shard');
  trial.note(`it ends after ${otlp.troubled - before} batches met it`);
  otlp.calm();
  read.calm();
}

async function replayDeadLetters(trial: Trial): Promise<void> {
  const { config } = trial.site;
  const { stdout } = await runCli(['dead-letter', 'list', '--config', config]);
  const letters = stdout.split('\n').filter(line => line !== '').length;
  trial.check(letters > 0, 'a shard answered 400, and there are no dead letters');
  trial.note(`replay of ${letters} dead letters`);
  // Batches in hand may still become dead letters.
  await trial.until(async () => {
    const { exitCode } = await runCli(['dead-letter', 'replay', '--all', '--config', config]);
    return exitCode === 4;
  }, 'every dead letter is replayed');
}
