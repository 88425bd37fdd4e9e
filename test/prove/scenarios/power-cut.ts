import { mountSyncedDisk, type SyncedDisk } from '../../support/synced-disk.ts';
import { BOTH_QUEUES, type Scenario, type Trial } from '../scenario.ts';

/**
 * The power fails: every process is gone, and so is what was written and not synced. Everything goes on from a disk that
 * has only what was synced, queue, shards and Redis alike.
 */
export const powerCutScenario: Scenario = {
  name: 'power cut of the whole machine',
  queues: BOTH_QUEUES,
  traffic: { senders: 8, pauseMs: 10 },
  async arrange({ cleanup }) {
    const disk = await mountSyncedDisk();
    if (typeof disk === 'string') return disk;
    cleanup(() => disk.remove());
    return {
      site: { dataDir: disk.path },
      run: trial => cutPower(trial, { disk, cleanup }),
    };
  },
};

interface Machine {
  readonly disk: SyncedDisk;
  readonly cleanup: (work: () => unknown) => void;
}

async function cutPower(trial: Trial, { disk, cleanup }: Machine): Promise<void> {
  await trial.flow(400);
  trial.note('the power fails');
  await trial.site.killAll();
  const dataDir = await disk.asSynced();
  trial.note('everything starts again on what was synced');
  const site = await trial.site.startOn(dataDir);
  cleanup(() => site.stop());
  trial.goOnWith(site);
}
