import type { Check } from '../../shard/store/verify.ts';
import { type VerifyReport, verifyFolder } from '../../shard/verify-folder.ts';
import { steadyClock } from '../../shared/time.ts';
import { createHash } from '../../shared/topology/hash.ts';
import { EXIT } from '../exit-codes.ts';
import { helpText } from '../flags.ts';
import { countText } from '../human.ts';
import type { Io } from '../io.ts';
import { createProgress } from '../progress.ts';
import { renderTable } from '../table.ts';
import { DATA_FLAGS, dataTaskFrom, type StoredShard } from './task.ts';

const VERIFY_EXIT = { ...EXIT, damaged: 3 } as const;

const HELP = {
  summary: 'Check the data of stopped shards: that all of it can be read and fits together. Changes nothing.',
  usage: 'otelfan shard verify [--id ID] [flags]',
  flags: DATA_FLAGS,
  exitCodes:
    '0 sound, 1 could not be checked (in use, not there, too little memory), 2 usage, 3 damage was found',
  example: 'otelfan shard verify --id s0 --data-dir /var/lib/otelfan',
};

/** `otelfan shard verify`: resolves with one of the exit codes of its help. */
export async function verifyCommand(argv: readonly string[], io: Io): Promise<number> {
  const task = dataTaskFrom('shard verify', argv, io);
  if (task === undefined) {
    io.stdout.write(helpText(HELP));
    return EXIT.ok;
  }
  const { config, shards, asJson } = task;
  const hash = await createHash();
  const progress = createProgress({ stderr: io.stderr, clock: steadyClock });
  const kinds = new Set<VerifyReport['kind']>();
  for (const shard of shards) {
    const report = await verifyFolder({
      dataDir: shard.folder,
      memoryLimitBytes: config.shard.memoryLimit,
      threads: config.shard.threads,
      hash,
      onProgress: name => progress.update(`shard ${shard.id}: ${name}`),
    });
    progress.clear();
    kinds.add(report.kind);
    io.stdout.write(asJson ? `${JSON.stringify({ shard: shard.id, ...report })}\n` : asText(shard, report));
  }
  if (kinds.has('damaged')) return VERIFY_EXIT.damaged;
  return kinds.has('not checked') || kinds.has('incomplete') ? VERIFY_EXIT.failed : VERIFY_EXIT.ok;
}

function asText({ id, folder }: StoredShard, report: VerifyReport): string {
  if (report.kind === 'not checked') return `Shard ${id} was not checked: ${report.reason}\n`;
  const table = renderTable({
    columns: [
      { title: 'CHECK', cell: check => check.name },
      { title: 'RESULT', cell: check => check.result },
      { title: 'DETAIL', cell: check => check.detail, maxWidth: 120 },
    ],
    rows: report.checks,
  });
  return `Shard ${id} in ${folder} ${verdictOf(report.checks)}.\n\n${table}\n`;
}

function verdictOf(checks: readonly Check[]): string {
  const count = (wanted: Check['result']) => checks.filter(({ result }) => result === wanted).length;
  const [damaged, notMade] = [count('damaged'), count('not made')];
  const verdicts = [
    ...(damaged > 0 ? [`has damage: ${countText(damaged, 'check')} failed`] : []),
    ...(notMade > 0 ? [`was not checked whole: ${countText(notMade, 'check')} could not be made`] : []),
  ];
  return verdicts.length === 0 ? 'is sound' : verdicts.join(' and ');
}
