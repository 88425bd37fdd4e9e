import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { traceId, tracesOf } from '../../support/otlp-samples.ts';
import { deliver, read, type TestBatch } from '../../support/test-shard.ts';

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

async function startChild(openTimeoutMs = 10_000): Promise<Started & { child: ChildProcess }> {
  const child = spawn(process.execPath, [CHILD, dataDir, String(openTimeoutMs)], {
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

describe('a shard that is killed', () => {
  it('has every acknowledged batch and none in part', async () => {
    const acknowledged = new Set<string>();
    const sent = new Set<string>();
    for (let round = 0; round < 3; round++) {
      const { otlpPort, child, error } = await startChild();
      expect(error).toBeUndefined();
      let isKilled = false;
      const senders = Array.from({ length: SENDERS }, async (_, sender) => {
        for (let number = 0; !isKilled; number++) {
          const id = `${round}-${sender}-${number}`;
          sent.add(id);
          const response = await deliver(`http://127.0.0.1:${otlpPort}`, batch(id)).catch(() => undefined);
          if (response?.status === 200) acknowledged.add(id);
        }
      });
      await sleep(400 + 150 * round);
      await kill(child);
      isKilled = true;
      await Promise.all(senders);
    }

    const { otlpPort, readPort } = await startChild();
    expect(acknowledged.size).toBeGreaterThan(SENDERS);
    expect(sent.size).toBeGreaterThan(acknowledged.size);
    const { keys } = await read(`http://127.0.0.1:${readPort}`, 'spans', {
      limit: sent.size * SPANS_PER_BATCH,
    });
    const traces = Map.groupBy(keys, ([, trace]) => trace);
    for (const id of acknowledged)
      expect([id, traces.get(traceId(id))?.length]).toEqual([id, SPANS_PER_BATCH]);
    for (const [trace, spans] of traces) expect([trace, spans.length]).toEqual([trace, SPANS_PER_BATCH]);

    for (const id of [...sent].slice(-20)) await deliver(`http://127.0.0.1:${otlpPort}`, batch(id));
    const { rows } = await read(`http://127.0.0.1:${readPort}`, 'services', {});
    const state = rows[0] as { span_count: number; trace_count: number };
    expect(state.span_count).toBe(state.trace_count * SPANS_PER_BATCH);
  });
});

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
