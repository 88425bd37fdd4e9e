import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deadLetterCommand } from '../../src/cli/dead-letter.ts';
import { UserError } from '../../src/cli/exit-codes.ts';
import type { Batch } from '../../src/ingest/queue/batch.ts';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { runCli } from '../support/cli.ts';
import { protobufOf } from '../support/otlp-records.ts';
import { logsOf, traceId } from '../support/otlp-samples.ts';
import { claimAll, openDataFolderQueue, traceBatch } from '../support/queue-samples.ts';
import { temporaryFolder } from '../support/systems.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder.remove());

async function run(argv: readonly string[], { isTty = false } = {}) {
  const stdout = new PassThrough();
  const written = buffer(stdout);
  let stderr = '';
  let exitCode: number;
  try {
    exitCode = await deadLetterCommand([...argv, '--data-dir', folder.path], {
      stdout,
      stderr: { write: text => (stderr += text) },
      isTty,
      env: {},
    });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    exitCode = error.exitCode;
    stderr += error.message;
  }
  stdout.end();
  const bytes = await written;
  return { exitCode, bytes, stdout: bytes.toString(), stderr };
}

const linesOf = (stdout: string) =>
  stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Record<string, unknown>);

async function withQueue<T>(use: (queue: BatchQueue) => Promise<T>): Promise<T> {
  const queue = await openDataFolderQueue(folder.path);
  try {
    return await use(queue);
  } finally {
    await queue.stop();
  }
}

/** Makes the batches dead letters, in this order. */
async function bury(queue: BatchQueue, batch: Batch, reason: string): Promise<void> {
  await queue.enqueue([batch]);
  const claim = await queue.claim(batch.shard, 'oldest');
  if (claim?.batch.id !== batch.id) throw new Error('another batch was claimed');
  await queue.deadLetter(claim, reason);
}

const poisoned = traceBatch({ shard: 's0', slices: [['a', 'b']] });
const late = traceBatch({ shard: 's0', slices: [['c']] });
const logs: Batch = {
  ...traceBatch({ shard: 's1', slices: [] }),
  signal: 'logs',
  records: 1,
  payload: protobufOf('logs', logsOf('cart', [{ body: { stringValue: 'x' }, traceId: traceId('t') }])),
};

const buryAll = () =>
  withQueue(async queue => {
    await bury(queue, poisoned, 'answered 400: Poison in record 1');
    await bury(queue, late, 'not delivered within 24h');
    await bury(queue, logs, 'answered 400: bad body');
  });

const idsOf = async (...filters: string[]) =>
  linesOf((await run(['list', ...filters])).stdout).map(({ id }) => id);

describe('otelfan dead-letter list', () => {
  it('prints one JSON object per line into a pipe, oldest first within a shard', async () => {
    await buryAll();
    const { stdout, exitCode } = await run(['list']);
    expect(exitCode).toBe(0);
    expect(linesOf(stdout).map(({ id }) => id)).toEqual([poisoned.id, late.id, logs.id]);
    expect(linesOf(stdout)[0]).toEqual({
      id: poisoned.id,
      shard: 's0',
      signal: 'traces',
      records: 2,
      sizeBytes: poisoned.payload.length,
      reason: 'answered 400: Poison in record 1',
      acceptedAt: new Date(poisoned.acceptedAtMs).toISOString(),
      deadAt: expect.stringMatching(/^20\d\d-.*Z$/) as string,
    });
  });

  it('prints a table on a terminal', async () => {
    await buryAll();
    const { stdout } = await run(['list'], { isTty: true });
    const [title, first] = stdout.split('\n');
    expect(title).toMatch(/^SHARD +ID +SIGNAL +RECORDS +BYTES +ACCEPTED +DEAD FOR +REASON$/);
    expect(first).toMatch(
      new RegExp(`^s0 +${poisoned.id} +traces +2 +\\d+B .* answered 400: Poison in record 1$`),
    );
  });

  it('says so when there are none', async () => {
    await withQueue(() => Promise.resolve());
    expect(await run(['list'], { isTty: true })).toMatchObject({ stdout: 'no dead letters\n', exitCode: 0 });
    expect(await run(['list'])).toMatchObject({ stdout: '', exitCode: 0 });
  });

  it.each([
    [['--shard', 's1'], [logs.id]],
    [
      ['--signal', 'traces'],
      [poisoned.id, late.id],
    ],
    [['--reason', 'poison'], [poisoned.id]],
    [
      ['--id', late.id, '--id', logs.id],
      [late.id, logs.id],
    ],
    [['--older-than', '1h'], []],
    [['--shard', 's0', '--reason', 'ANSWERED'], [poisoned.id]],
  ])('lists what %j means', async (filters, ids) => {
    await buryAll();
    expect(await idsOf(...filters)).toEqual(ids);
  });

  it.each(['0', '0s', 'soon'])('refuses --older-than %s, saying what it takes', async age => {
    const { exitCode, stderr } = await run(['list', '--older-than', age]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`--older-than ${age}: expected a whole number above 0 with ms, s, m, h or d`);
  });

  it('lists more than a page, and stops at --limit saying so', async () => {
    await withQueue(async queue => {
      const batches = Array.from({ length: 450 }, () => traceBatch({ shard: 's0', slices: [['a']] }));
      await queue.enqueue(batches);
      for (;;) {
        const claim = await queue.claim('s0', 'oldest');
        if (claim === undefined) break;
        await queue.deadLetter(claim, 'no');
      }
    });
    expect(new Set(await idsOf()).size).toBe(450);
    const limited = await run(['list', '--limit', '300']);
    expect(linesOf(limited.stdout)).toHaveLength(300);
    expect(limited.stderr).toContain('there are more than 300');
  });

  it('says so where there is no queue', async () => {
    const { exitCode, stderr } = await run(['list']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('there is no queue in');
  });
});

describe('otelfan dead-letter show', () => {
  it('prints reason, header and content as OTLP/JSON with ids in hex', async () => {
    await buryAll();
    const { stdout, exitCode } = await run(['show', logs.id]);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      id: logs.id,
      shard: 's1',
      reason: 'answered 400: bad body',
      topologyVersion: 1,
      content: {
        resourceLogs: [
          { scopeLogs: [{ logRecords: [{ body: { stringValue: 'x' }, traceId: traceId('t') }] }] },
        ],
      },
    });
  });

  it('prints the same for people', async () => {
    await buryAll();
    const { stdout } = await run(['show', poisoned.id], { isTty: true });
    expect(stdout).toContain('reason: answered 400: Poison in record 1\n');
    expect(stdout).toContain(`"traceId": "${traceId('a')}"`);
  });

  it('prints the stored bytes and nothing else with --raw', async () => {
    await buryAll();
    expect((await run(['show', late.id, '--raw'])).bytes.equals(late.payload)).toBe(true);
  });

  it('tells what is known of a batch whose content is not OTLP, and fails', async () => {
    const broken = { ...traceBatch({ shard: 's0', slices: [] }), payload: Buffer.from([0x0a, 0x7f]) };
    await withQueue(queue => bury(queue, broken, 'answered 400'));
    const { stdout, stderr, exitCode } = await run(['show', broken.id]);
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ reason: 'answered 400', contentError: expect.any(String) });
    expect(stderr).toContain('cannot be read');
  });

  it('ends with 4 when there is none of that id', async () => {
    await buryAll();
    expect(await run(['show', 'nobody'])).toMatchObject({
      exitCode: 4,
      stderr: 'there is no dead letter nobody',
    });
  });
});

describe('otelfan dead-letter replay', () => {
  it('puts back what the filters mean under the same ids, and leaves the rest', async () => {
    await buryAll();
    const { exitCode, stdout } = await run(['replay', '--signal', 'traces'], { isTty: true });
    expect(exitCode).toBe(0);
    expect(stdout).toBe('replayed 2 batches with 3 records\n');
    expect(await idsOf()).toEqual([logs.id]);
    const queued = await withQueue(queue => claimAll(queue, 's0'));
    expect(queued.map(({ id }) => id).sort()).toEqual([poisoned.id, late.id].sort());
    expect(queued.find(({ id }) => id === poisoned.id)?.payload.equals(poisoned.payload)).toBe(true);
  });

  it('replays everything with --all, more than a page of it, each once', async () => {
    await withQueue(async queue => {
      await queue.enqueue(Array.from({ length: 450 }, () => traceBatch({ shard: 's0', slices: [['a']] })));
      for (;;) {
        const claim = await queue.claim('s0', 'oldest');
        if (claim === undefined) break;
        await queue.deadLetter(claim, 'no');
      }
    });
    expect(JSON.parse((await run(['replay', '--all'])).stdout)).toEqual({ replayed: 450, records: 450 });
    expect(await withQueue(queue => queue.stats('s0'))).toMatchObject({ batches: 450, deadBatches: 0 });
  });

  it('needs a filter or --all, and ends with 4 when nothing matched', async () => {
    await buryAll();
    expect(await run(['replay'])).toMatchObject({ exitCode: 2 });
    expect(await run(['replay', '--shard', 's7'])).toMatchObject({ exitCode: 4 });
    expect(await idsOf()).toHaveLength(3);
  });
});

describe('otelfan dead-letter purge', () => {
  it('says what it would delete without --yes, and deletes nothing', async () => {
    await buryAll();
    const { exitCode, stderr } = await run(['purge', '--shard', 's0']);
    expect(exitCode).toBe(2);
    expect(stderr).toBe('this would delete 2 batches with 3 records for good; say so with --yes');
    expect(await idsOf()).toHaveLength(3);
  });

  it('deletes what the filters mean for good with --yes', async () => {
    await buryAll();
    expect(JSON.parse((await run(['purge', '--reason', 'answered', '--yes'])).stdout)).toEqual({
      purged: 2,
      records: 3,
    });
    expect(await idsOf()).toEqual([late.id]);
    expect((await run(['show', poisoned.id])).exitCode).toBe(4);
  });
});

describe('otelfan dead-letter', () => {
  it.each([
    [[]],
    [['fly']],
    [['list', 'x']],
    [['list', '--signal', 'x']],
    [['show']],
    [['list', '--limit', '0']],
  ])('is a usage error for %j', async argv => {
    await withQueue(() => Promise.resolve());
    expect((await run(argv)).exitCode).toBe(2);
  });

  it('works while another process has the queue open', async () => {
    await withQueue(async queue => {
      await bury(queue, late, 'not delivered within 24h');
      const listed = await runCli(['dead-letter', 'list', '--data-dir', folder.path]);
      expect(linesOf(listed.stdout).map(({ id }) => id)).toEqual([late.id]);
      const replayed = await runCli(['dead-letter', 'replay', '--all', '--data-dir', folder.path]);
      expect(replayed.exitCode).toBe(0);
      expect((await queue.claim('s0', 'oldest'))?.batch.id).toBe(late.id);
    });
  });
});
