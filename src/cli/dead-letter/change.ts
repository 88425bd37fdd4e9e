import type { BatchQueue } from '../../ingest/queue/batch-queue.ts';
import { steadyClock } from '../../shared/time.ts';
import { EXIT, UserError } from '../exit-codes.ts';
import { countText } from '../human.ts';
import { createProgress } from '../progress.ts';
import { write } from '../write.ts';
import { type DeadLetterFilter, visitDeadLetters } from './filter.ts';
import { DEAD_LETTER_EXIT, type DeadLetterTask } from './task.ts';

/** `otelfan dead-letter replay` and `purge`: each letter by itself, so that it can be ended and begun again. */
export function changeDeadLetters(change: 'replay' | 'purge'): DeadLetterTask {
  const past = change === 'replay' ? 'replayed' : 'purged';
  return ({ parsed, filter, config, io }, withQueue) => {
    if (filter.isEmpty && !parsed.isSet('all')) {
      throw new UserError(`dead-letter ${change} needs a filter, or --all`, EXIT.usage);
    }
    return withQueue(async (queue, shards) => {
      const meant = { shards, filter };
      if (change === 'purge' && !parsed.isSet('yes'))
        throw new UserError(await question(queue, meant), EXIT.usage);
      const progress = createProgress({ stderr: io.stderr, clock: steadyClock });
      const done = { batches: 0, records: 0 };
      const touched = new Set<string>();
      await visitDeadLetters(queue, meant, async letters => {
        const happened = await Promise.all(letters.map(letter => queue[change](letter)));
        for (const letter of letters.filter((_, index) => happened[index])) {
          done.batches += 1;
          done.records += letter.records;
          touched.add(letter.shard);
        }
        progress.update(`${past} ${countText(done.batches, 'batch')}`);
        return 'gone';
      });
      progress.clear();
      const asJson = parsed.isSet('json') || !io.isTty;
      const text = `${past} ${countText(done.batches, 'batch')} with ${countText(done.records, 'record')}`;
      await write(
        io.stdout,
        `${asJson ? JSON.stringify({ [past]: done.batches, records: done.records }) : text}\n`,
      );
      if (change === 'replay')
        warnOfHeld(
          [...touched],
          config.topology?.shards.map(shard => shard.id),
          io.stderr,
        );
      return done.batches === 0 ? DEAD_LETTER_EXIT.nothing : EXIT.ok;
    });
  };
}

interface Meant {
  readonly shards: readonly string[];
  readonly filter: DeadLetterFilter;
}

async function question(queue: BatchQueue, meant: Meant): Promise<string> {
  let batches = 0;
  let records = 0;
  await visitDeadLetters(queue, meant, letters => {
    batches += letters.length;
    for (const letter of letters) records += letter.records;
    return Promise.resolve('kept');
  });
  return `this would delete ${countText(batches, 'batch')} with ${countText(records, 'record')} for good; say so with --yes`;
}

function warnOfHeld(
  touched: readonly string[],
  known: readonly string[] | undefined,
  stderr: { write(text: string): unknown },
): void {
  for (const shard of known === undefined ? [] : touched.filter(id => !known.includes(id))) {
    stderr.write(
      `otelfan dead-letter: shard ${shard} is not in the topology; what was replayed waits until it is back, or until: otelfan topology reroute ${shard}\n`,
    );
  }
}
