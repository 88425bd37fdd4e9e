import { NONE } from '../chaos-proxy.ts';
import { BOTH_QUEUES, type Scenario, type Trial } from '../scenario.ts';
import { createExporter } from '../transports.ts';

const EXPORTS = 10;
const RECORDS = 9;

/** One record in the middle of an export that its shard will never take: the others arrive, it becomes a dead letter. */
export const poisonScenario: Scenario = {
  name: 'a poison record in a good batch',
  queues: BOTH_QUEUES,
  async run(trial) {
    const { site, ledger, source, dice } = trial;
    const poisons: string[] = [];
    const met = new Set<string>();
    site.faulty.otlp.turn(({ body }) => {
      const found = poisons.filter(id => body.includes(id));
      for (const id of found) met.add(id);
      return found.length === 0 ? NONE : { kind: 'answer', status: 400 };
    });
    const exporter = createExporter();
    const deadBefore = await deadRecords(trial);
    while (met.size === 0 || poisons.length < EXPORTS) {
      const made = source.next({ signal: 'traces', records: RECORDS });
      poisons.push([...made.records.keys()][Math.floor(RECORDS / 2)] as string);
      const entry = ledger.begin(made);
      entry.attempt();
      const answer = await exporter.export(dice.pick(site.doors), 'protobuf', made);
      if (answer.kind === 'ok') entry.became({ kind: 'acknowledged', rejected: answer.rejected });
      await trial.pause(20, 100);
    }
    exporter.close();
    const lastMs = Date.now();
    await trial.until(() => areSettled(trial, lastMs), 'every batch with poison is settled');
    trial.note(`${met.size} of ${poisons.length} poison records went to ${site.faulty.id}`);
    const dead = (await deadRecords(trial)) - deadBefore;
    trial.check(dead === met.size, `${dead} records are dead letters, but ${met.size} were poison`);
  },
};

/** Whether nothing waits for the faulty shard that was accepted until then. */
function areSettled({ site }: Trial, untilMs: number): Promise<boolean> {
  return site.lookAtQueue(async queue => {
    const { oldestAcceptedAtMs = Number.POSITIVE_INFINITY } = await queue.stats(site.faulty.id);
    return oldestAcceptedAtMs > untilMs;
  });
}

function deadRecords({ site }: Trial): Promise<number> {
  return site.lookAtQueue(async queue => {
    const stats = await Promise.all((await queue.shards()).map(shard => queue.stats(shard)));
    return stats.reduce((sum, { deadLettered }) => sum + deadLettered.traces, 0);
  });
}
