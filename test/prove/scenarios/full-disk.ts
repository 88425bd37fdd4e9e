import { join } from 'node:path';
import { mountSmallDisk, type SmallDisk } from '../../support/small-disk.ts';
import { BOTH_QUEUES, type Scenario, type Trial } from '../scenario.ts';

const DISK_MIB = 160;
const MIN_FREE_MIB = 24;
const VICTIM = 's2';

/** One shard's disk runs out of the room that has to stay free, then of all room. */
export const fullDiskScenario: Scenario = {
  name: "shard's disk is full",
  queues: BOTH_QUEUES,
  async arrange({ cleanup }) {
    const disk = await mountSmallDisk(DISK_MIB);
    if (typeof disk === 'string') return disk;
    cleanup(() => disk.remove());
    return {
      site: {
        shardDirs: { [VICTIM]: join(disk.path, 'data') },
        settings: { shard: { minFreeBytes: `${MIN_FREE_MIB}MiB` } },
      },
      run: trial => fillDisk(trial, disk),
    };
  },
};

async function fillDisk(trial: Trial, disk: SmallDisk): Promise<void> {
  const readiness = async () => {
    const shard = trial.site.of('shard').find(({ name }) => name.endsWith(VICTIM));
    return (await fetch(`${shard?.addresses.read}/readyz`)).status;
  };
  for (const fill of ['almost', 'wholly'] as const) {
    await trial.flow();
    trial.note(`the disk of ${VICTIM} is ${fill} full`);
    if (fill === 'wholly') disk.fill();
    else disk.fillBut((MIN_FREE_MIB / 2) * 1024 ** 2);
    await trial.until(async () => (await readiness()) === 503, 'the shard refuses');
    await trial.flow();
    await trial.pause(300, 1500);
    trial.note('there is room again');
    await disk.freeRoom();
    await trial.until(async () => (await readiness()) === 200, 'the shard is ready again');
  }
}
