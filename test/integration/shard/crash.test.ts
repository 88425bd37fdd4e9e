import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createShard, type ShardOptions } from '../../../src/shard/create-shard.ts';
import { verifyFolder } from '../../../src/shard/verify-folder.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { spanId, traceId, tracesOf } from '../../support/otlp-samples.ts';
import { getBlob, postWrite, putBlob, sha256 } from '../../support/shard-writes.ts';
import { deliver, read, type TestBatch, testOptions } from '../../support/test-shard.ts';

const CHILD = fileURLToPath(new URL('../../support/shard-child.ts', import.meta.url));
const SPANS_PER_BATCH = 50;
const SENDERS = 8;

interface Started {
  readonly otlpPort: number;
  readonly readPort: number;
  readonly error?: string;
}

let dataDir: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'otelfan-crash-'));
});

afterEach(async () => {
  await Promise.all(children.map(kill));
  children.length = 0;
  await rm(dataDir, { recursive: true });
});

async function startChild(
  openTimeoutMs = 10_000,
  overrides: Partial<ShardOptions> = {},
): Promise<Started & { child: ChildProcess }> {
  const args = [CHILD, dataDir, String(openTimeoutMs), JSON.stringify(overrides)];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { ...(JSON.parse(line) as Started), child };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** One trace per batch, so that reading the trace tells how much of the batch is there. */
function batch(id: string): TestBatch {
  const spans = Array.from({ length: SPANS_PER_BATCH }, (_, index) => ({ trace: id, span: index }));
  return { id, signal: 'traces', slices: [{ exportId: traceId(id), json: tracesOf('shop', spans) }] };
}

interface Sent {
  readonly all: ReadonlySet<string>;
  readonly acknowledged: ReadonlySet<string>;
}

/** Starts a shard, sends to it from several senders, and kills it in the midst of it; three times. */
async function sendAndKill(overrides: Partial<ShardOptions> = {}): Promise<Sent> {
  const acknowledged = new Set<string>();
  const all = new Set<string>();
  for (let round = 0; round < 3; round++) {
    const { otlpPort, error, child } = await startChild(10_000, overrides);
    expect(error).toBeUndefined();
    let isKilled = false;
    const senders = Array.from({ length: SENDERS }, async (_, sender) => {
      for (let number = 0; !isKilled; number++) {
        const id = `${round}-${sender}-${number}`;
        all.add(id);
        const response = await deliver(`http://127.0.0.1:${otlpPort}`, batch(id)).catch(() => undefined);
        if (response?.status === 200) acknowledged.add(id);
      }
    });
    await sleep(400 + 150 * round);
    await kill(child);
    isKilled = true;
    await Promise.all(senders);
  }
  return { all, acknowledged };
}

/** How many spans of each trace are there, and that their data is sound. */
async function storedTraces(): Promise<Map<string, number>> {
  const { readPort, child } = await startChild();
  const { keys } = await read(`http://127.0.0.1:${readPort}`, 'spans', { limit: 1_000_000 });
  await kill(child);
  const report = await verifyFolder({
    dataDir,
    memoryLimitBytes: 256 * 1024 * 1024,
    threads: 1,
    hash: await createHash(),
    onProgress: () => {},
  });
  expect(report).toMatchObject({ kind: 'sound' });
  return new Map(
    [...Map.groupBy(keys, ([, trace]) => trace ?? '')].map(([trace, spans]) => [trace, spans.length]),
  );
}

describe('a shard that is killed', () => {
  it.each([
    ['during commits', {}],
    ['during checkpoints', { checkpointBytes: 100_000 }],
  ])('%s has every acknowledged batch and none in part', async (_when, overrides) => {
    const { all, acknowledged } = await sendAndKill(overrides);
    expect(acknowledged.size).toBeGreaterThan(SENDERS);
    expect(all.size).toBeGreaterThan(acknowledged.size);
    const stored = await storedTraces();
    for (const id of acknowledged) expect([id, stored.get(traceId(id))]).toEqual([id, SPANS_PER_BATCH]);
    for (const [trace, spans] of stored) expect([trace, spans]).toEqual([trace, SPANS_PER_BATCH]);
  });

  it('stores a batch whose answer was lost with it once, when it is sent again', async () => {
    const { all } = await sendAndKill();
    const { otlpPort, readPort } = await startChild();
    for (const id of [...all].slice(-20)) {
      expect((await deliver(`http://127.0.0.1:${otlpPort}`, batch(id))).status).toBe(200);
    }
    const { rows } = await read(`http://127.0.0.1:${readPort}`, 'services', {});
    const state = rows[0] as { span_count: number; trace_count: number };
    expect(state.span_count).toBe(state.trace_count * SPANS_PER_BATCH);
  });

  it('during retention has whole batches only, and goes on deleting', async () => {
    const retention = { maxAgeMs: 100, maxBytes: 2 ** 40, evalAgeMs: 100 };
    const { all, acknowledged } = await sendAndKill({ retention, lookEveryMs: 5, retainEveryMs: 5 });
    expect(acknowledged.size).toBeGreaterThan(SENDERS);
    const stored = await storedTraces();
    expect(stored.size).toBeLessThan(all.size);
    for (const [trace, spans] of stored) expect([trace, spans]).toEqual([trace, SPANS_PER_BATCH]);
    const { readPort } = await startChild(10_000, { retention, lookEveryMs: 5, retainEveryMs: 5 });
    await expect
      .poll(async () => (await read(`http://127.0.0.1:${readPort}`, 'spans', { limit: 1 })).keys)
      .toEqual([]);
  });

  it('tells how long it took to open again and what it replayed, which is nothing after a clean stop', async () => {
    const { otlpPort, child } = await startChild();
    expect((await deliver(`http://127.0.0.1:${otlpPort}`, batch('b'))).status).toBe(200);
    await kill(child);
    const opened: unknown[] = [];
    const stream = {
      write(line: string) {
        const { msg, tookMs, replayedBytes } = JSON.parse(line) as Record<string, unknown>;
        if (msg === 'opened the database') opened.push({ tookMs, replayedBytes });
      },
    };
    for (let start = 0; start < 2; start++)
      await (await createShard({ ...testOptions(dataDir), logger: pino({}, stream) })).stop();
    const tookMs = expect.any(Number) as number;
    expect(opened).toEqual([
      { tookMs, replayedBytes: expect.any(Number) as number },
      { tookMs, replayedBytes: 0 },
    ]);
    expect(opened[0]).not.toEqual(opened[1]);
  });

  it('has every write of the read API that was answered, and takes none of them twice', async () => {
    const answered = new Set<number>();
    let sent = 0;
    const { readPort, child } = await startChild();
    let isKilled = false;
    const senders = Array.from({ length: SENDERS }, async () => {
      while (!isKilled) {
        const number = sent++;
        const answers = await writeAll(readPort, number).catch(() => []);
        if (answers.length > 0 && answers.every(({ status }) => status === 200)) answered.add(number);
      }
    });
    await expect.poll(() => answered.size, { timeout: 20_000 }).toBeGreaterThan(3 * SENDERS);
    await kill(child);
    isKilled = true;
    await Promise.all(senders);

    const again = await startChild();
    const readUrl = `http://127.0.0.1:${again.readPort}`;
    for (const number of answered) {
      expect(await getBlob(readUrl, sha256(`blob ${number}`))).toBe(`blob ${number}`);
    }
    const stored = async () => {
      const comments = await read(readUrl, 'comments', { limit: 10 * sent });
      const scores = await read(readUrl, 'metrics', { limit: 10 * sent });
      const spans = await read(readUrl, 'spans', { limit: 10 * sent });
      return [
        comments.rows.map(row => row.body),
        scores.rows.map(row => String(row.value)),
        spans.rows.map(row => (row.attributes as { number: string }).number),
      ];
    };
    for (const numbers of await stored())
      expect(numbers).toEqual(expect.arrayContaining([...answered].map(String)));
    // Senders that got no answer try again.
    for (let number = 0; number < sent; number++) await writeAll(again.readPort, number);
    const all = Array.from({ length: sent }, (_, number) => String(number)).toSorted();
    for (const numbers of await stored()) expect(numbers.toSorted()).toEqual(all);
    const [state] = (await read(readUrl, 'services', {})).rows;
    expect(state?.span_count).toBe(sent);
  });
});

/** One write of each kind, and an upload. */
function writeAll(readPort: number, number: number) {
  const readUrl = `http://127.0.0.1:${readPort}`;
  const id = `w${number}`;
  const ids = { traceId: traceId(id), spanId: spanId(id) };
  return Promise.all([
    postWrite(readUrl, 'comment', { id, ...ids, author: 'me', body: String(number), createdNs: '1' }),
    postWrite(readUrl, 'score', { id, timeNs: '1', value: number, attributes: {} }),
    postWrite(readUrl, 'runnerSpan', {
      id,
      ...ids,
      startNs: '1',
      endNs: '2',
      status: 'ok',
      attributes: { number: String(number) },
    }),
    putBlob(readUrl, `blob ${number}`),
  ]);
}

describe('a data folder that another process uses', () => {
  it('is taken over when that process ends in time', async () => {
    const first = await startChild();
    const second = startChild();
    await sleep(300);
    await kill(first.child);
    expect((await second).otlpPort).toBeGreaterThan(0);
  });

  it('is refused after the time is up, in one line that names it', async () => {
    await startChild();
    const { error } = await startChild(300);
    expect(error).toContain(`the data folder ${dataDir} is in use by another process`);
    expect(error).not.toContain('\n');
  });
});
