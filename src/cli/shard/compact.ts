import { type CompactOutcome, compactFolder } from '../../shard/compact-folder.ts';
import { steadyClock } from '../../shared/time.ts';
import { EXIT } from '../exit-codes.ts';
import { helpText } from '../flags.ts';
import { bytesText, percentText } from '../human.ts';
import type { Io } from '../io.ts';
import { createProgress } from '../progress.ts';
import { DATA_FLAGS, dataTaskFrom, type StoredShard } from './task.ts';

const HELP = {
  summary:
    'Write the data of stopped shards into new files without the room that deleted records left. Needs as much free\ndisk as the data takes; may be stopped or killed at any time.',
  usage: 'otelfan shard compact [--id ID] [flags]',
  flags: DATA_FLAGS,
  exitCodes: '0 done, 1 failed (in use, no room, damaged), 2 usage',
  example: 'otelfan shard compact --id s0 --data-dir /var/lib/otelfan',
};

/** `otelfan shard compact`: resolves with one of the exit codes of its help. */
export async function compactCommand(argv: readonly string[], io: Io): Promise<number> {
  const task = dataTaskFrom('shard compact', argv, io);
  if (task === undefined) {
    io.stdout.write(helpText(HELP));
    return EXIT.ok;
  }
  const { config, shards, asJson } = task;
  const progress = createProgress({ stderr: io.stderr, clock: steadyClock });
  let exitCode: number = EXIT.ok;
  for (const shard of shards) {
    const outcome = await compactFolder({
      dataDir: shard.folder,
      memoryLimitBytes: config.shard.memoryLimit,
      threads: config.shard.threads,
      onProgress: share => progress.update(`shard ${shard.id}: ${percentText(share)} of the rows`),
    });
    progress.clear();
    if (outcome.kind === 'refused') exitCode = EXIT.failed;
    io.stdout.write(asJson ? `${JSON.stringify({ shard: shard.id, ...outcome })}\n` : asText(shard, outcome));
  }
  return exitCode;
}

function asText({ id }: StoredShard, outcome: CompactOutcome): string {
  if (outcome.kind === 'refused') return `Shard ${id} was not compacted: ${outcome.reason}\n`;
  const { beforeBytes, afterBytes } = outcome;
  return `Shard ${id}: ${bytesText(beforeBytes)} before, ${bytesText(afterBytes)} after\n`;
}
