import { scrape, sumOf } from '../../support/metrics.ts';
import { BOTH_QUEUES, type Scenario, type Trial } from '../scenario.ts';
import type { SiteShard } from '../site.ts';

/** A shard is added, another drained and then removed, while exports and reads go on; then everything is read. */
export const topologyScenario: Scenario = {
  name: 'a shard is added, another drained and removed',
  queues: BOTH_QUEUES,
  arrange: () => Promise.resolve({ site: { spareShards: ['s3'] }, run: changeShards }),
};

async function changeShards(trial: Trial): Promise<void> {
  const { site, ledger } = trial;
  const shards = (s0: SiteShard['state'] = 'active'): SiteShard[] => [
    { id: 's0', state: s0 },
    ...['s1', 's2', 's3'].map(id => ({ id })),
  ];
  const steps = [
    { what: 's3 is added', shards: shards() },
    { what: 's0 is drained', shards: shards('draining') },
    {
      what: 's0 is removed',
      shards: shards('removed'),
      previous: [{ version: 2, shards: ['s0', 's1', 's2', 's3'] }],
    },
  ];
  // Another version cuts other slices, so that a repeat is not known to be one.
  ledger.allowRepeatsTwice();
  for (const [index, step] of steps.entries()) {
    await trial.flow();
    const version = index + 2;
    trial.note(`version ${version}: ${step.what}`);
    site.changeTopology(version, step.shards, step.previous);
    const follows = async () => {
      const series = await Promise.all(
        site.of('ingest').map(({ addresses }) => scrape(addresses.metrics ?? '')),
      );
      return series.every(metrics => sumOf(metrics, 'otelfan_topology_version') === version);
    };
    await trial.until(follows, `ingest follows version ${version}`);
  }
  trial.topologyVersions(steps.length + 1);
  await trial.flow();
}
