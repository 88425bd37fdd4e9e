import type { DeadLetter } from '../../ingest/queue/batch-queue.ts';
import { EXIT, UserError } from '../exit-codes.ts';
import { ageText, bytesText } from '../human.ts';
import { renderTable } from '../table.ts';
import { write } from '../write.ts';
import { visitDeadLetters } from './filter.ts';
import type { DeadLetterTaskInput, WithQueue } from './task.ts';

const TABLE_LIMIT = 1000;

/** `otelfan dead-letter list`: a table for people, one JSON object per line for programs. */
export function listDeadLetters(
  { parsed, filter, io }: DeadLetterTaskInput,
  withQueue: WithQueue,
): Promise<number> {
  const asJson = parsed.isSet('json') || !io.isTty;
  const limit = limitOf(parsed.text('limit')) ?? (asJson ? Number.POSITIVE_INFINITY : TABLE_LIMIT);
  return withQueue(async (queue, shards) => {
    const rows: DeadLetter[] = [];
    let listed = 0;
    let hasMore = false;
    await visitDeadLetters(queue, { shards, filter }, async letters => {
      const wanted = letters.slice(0, limit - listed);
      hasMore = wanted.length < letters.length;
      listed += wanted.length;
      if (asJson)
        await write(io.stdout, wanted.map(letter => `${JSON.stringify(jsonOf(letter))}\n`).join(''));
      else rows.push(...wanted);
      return hasMore ? 'enough' : 'kept';
    });
    if (!asJson) await write(io.stdout, tableOf(rows, Date.now()));
    if (hasMore)
      io.stderr.write(`otelfan dead-letter: there are more than ${limit}; see --limit and the filters\n`);
    return EXIT.ok;
  });
}

function limitOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw new UserError(`--limit ${text}: expected a whole number from 1`, EXIT.usage);
  }
  return Number(text);
}

/** Times as people and programs both read them. */
export function jsonOf({ acceptedAtMs, deadAtMs, ...letter }: DeadLetter): object {
  return {
    ...letter,
    acceptedAt: new Date(acceptedAtMs).toISOString(),
    deadAt: new Date(deadAtMs).toISOString(),
  };
}

function tableOf(rows: readonly DeadLetter[], nowMs: number): string {
  if (rows.length === 0) return 'no dead letters\n';
  return renderTable<DeadLetter>({
    columns: [
      { title: 'SHARD', cell: row => row.shard },
      { title: 'ID', cell: row => row.id },
      { title: 'SIGNAL', cell: row => row.signal },
      { title: 'RECORDS', cell: row => String(row.records), align: 'right' },
      { title: 'BYTES', cell: row => bytesText(row.sizeBytes), align: 'right' },
      { title: 'ACCEPTED', cell: row => new Date(row.acceptedAtMs).toISOString() },
      { title: 'DEAD FOR', cell: row => ageText(nowMs - row.deadAtMs), align: 'right' },
      { title: 'REASON', cell: row => row.reason, maxWidth: 80 },
    ],
    rows,
  });
}
