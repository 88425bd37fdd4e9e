import { BOTH_QUEUES, type Scenario, type Trial } from '../scenario.ts';

const BALLAST = 'x'.repeat(2000);

/** A shard that hangs fills its queue, then all shards do, up to the limit of the whole; then it is drained. */
export const queueLimitScenario: Scenario = {
  name: 'the queue is at its limit, then drained',
  queues: BOTH_QUEUES,
  traffic: { exports: { ballast: BALLAST } },
  arrange: () =>
    Promise.resolve({
      site: { settings: { queue: { maxShardBytes: '300KiB', maxBytes: '1MiB' } } },
      run: fillQueue,
    }),
};

async function fillQueue(trial: Trial): Promise<void> {
  const { site } = trial;
  const told = (text: string) => trial.refusals().some(({ reason }) => reason.includes(text));
  trial.note(`${site.faulty.id} hangs`);
  site.faulty.otlp.turn(() => ({ kind: 'hang' }));
  await trial.until(() => told('queue of shard'), 'records for the full shard are refused');
  trial.note('every shard hangs');
  for (const shard of site.of('shard')) shard.pause();
  await trial.until(() => told('HTTP'), 'exports are refused');
  await trial.pause(200, 1000);
  trial.note('the shards are back');
  for (const shard of site.of('shard')) shard.resume();
  site.faulty.otlp.calm();
  await trial.flow();
}
