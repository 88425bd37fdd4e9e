import { BOTH_QUEUES, type Scenario, type Trial } from '../scenario.ts';
import { createExporter } from '../transports.ts';

const EXPORTS = 40;
const WINDOW_MS = 1000;

export const repeatScenarios: readonly Scenario[] = [
  {
    name: 'senders repeat within the repeat window',
    queues: BOTH_QUEUES,
    traffic: { repeats: 0.9 },
    run: trial => trial.flow(400),
  },
  {
    name: 'senders repeat after the repeat window',
    queues: BOTH_QUEUES,
    traffic: false,
    arrange: () =>
      Promise.resolve({
        site: { settings: { shard: { repeatWindow: `${WINDOW_MS}ms` } } },
        run: repeatLate,
      }),
  },
];

/** They may be stored again, and no more than that. */
async function repeatLate(trial: Trial): Promise<void> {
  const { ledger, source, site, dice } = trial;
  ledger.allowRepeatsTwice();
  const exporter = createExporter();
  const sent = Array.from({ length: EXPORTS }, () => {
    const made = source.next();
    return { made, entry: ledger.begin(made) };
  });
  for (const round of ['first', 'second']) {
    for (const { made, entry } of sent) {
      entry.attempt();
      const answer = await exporter.export(dice.pick(site.doors), 'protobuf', made);
      trial.check(answer.kind === 'ok', `refused: ${JSON.stringify(answer)}`);
      if (answer.kind === 'ok') entry.became({ kind: 'acknowledged', rejected: answer.rejected });
    }
    trial.note(`sent for the ${round} time`);
    await trial.pause(2 * WINDOW_MS, 3 * WINDOW_MS);
  }
  exporter.close();
}
