import { afterEach, describe, expect, it } from 'vitest';
import { traceId, tracesOf } from '../../support/otlp-samples.ts';
import { startTestShard, type TestBatch, type TestShard } from '../../support/test-shard.ts';

const REPEAT_WINDOW_MS = 60_000;
const BATCH_MEMORY_MS = 3_600_000;

let shard: TestShard;
afterEach(() => shard.remove());

async function start(repeatWindowMs = REPEAT_WINDOW_MS): Promise<void> {
  shard = await startTestShard({ repeatWindowMs, batchMemoryMs: BATCH_MEMORY_MS });
}

/** A batch of one span per slice; the spans of two batches are never equal. */
function batch(id: string, exports: readonly string[]): TestBatch {
  const slices = exports.map(name => ({
    exportId: traceId(name),
    json: tracesOf('shop', [{ trace: name, span: `${id}${name}` }]),
  }));
  return { id, signal: 'traces', slices };
}

async function deliver(...batches: readonly TestBatch[]): Promise<void> {
  const answers = await Promise.all(batches.map(one => shard.deliver(one)));
  expect(answers.map(({ status }) => status)).toEqual(batches.map(() => 200));
}

/** Rows stored, superseded ones included. */
async function storedSpans(): Promise<unknown> {
  const { rows } = await shard.read('services', {});
  return rows[0]?.span_count;
}

describe('repeats', () => {
  it('store a batch that is delivered twice once', async () => {
    await start();
    await deliver(batch('b1', ['e1', 'e2']));
    await deliver(batch('b1', ['e1', 'e2']));
    expect(await storedSpans()).toBe(2);
  });

  it('store concurrent duplicates of one group commit once', async () => {
    await start();
    await deliver(...Array.from({ length: 20 }, () => batch('b1', ['e1'])));
    expect(await storedSpans()).toBe(1);
  });

  it('skip only the slice whose export was stored by another batch', async () => {
    await start();
    await deliver(batch('b1', ['e1', 'e2']));
    await deliver(batch('b2', ['e2', 'e3']));
    expect(await storedSpans()).toBe(3);
  });

  it('store an export once that two batches of one group commit carry', async () => {
    await start();
    await deliver(...Array.from({ length: 20 }, (_, index) => batch(`b${index}`, ['e1', `o${index}`])));
    expect(await storedSpans()).toBe(21);
  });

  it('store an export again after the window', async () => {
    await start();
    await deliver(batch('b1', ['e1']));
    shard.advance(REPEAT_WINDOW_MS - 1);
    await deliver(batch('b2', ['e1']));
    expect(await storedSpans()).toBe(1);
    shard.advance(1);
    await deliver(batch('b3', ['e1']));
    expect(await storedSpans()).toBe(2);
    await deliver(batch('b4', ['e1']));
    expect(await storedSpans()).toBe(2);
  });

  it('are not looked for in exports when the window is 0', async () => {
    await start(0);
    await deliver(batch('b1', ['e1']));
    await deliver(batch('b2', ['e1']));
    await deliver(batch('b2', ['e1']));
    expect(await storedSpans()).toBe(2);
  });

  it('are recognised after a restart', async () => {
    await start();
    await deliver(batch('b1', ['e1']));
    await shard.restart();
    await deliver(batch('b1', ['e1']), batch('b2', ['e1']), batch('b3', ['e3']));
    expect(await storedSpans()).toBe(2);
  });

  it('of a batch id are forgotten with the id', async () => {
    await start();
    await deliver(batch('b1', ['e1']));
    shard.advance(BATCH_MEMORY_MS);
    await deliver(batch('b2', ['e2']));
    await deliver(batch('b1', ['e1']));
    expect(await storedSpans()).toBe(3);
  });

  it('of plain OTLP without batch headers are stored', async () => {
    await start();
    const json = tracesOf('shop', [{ trace: 1, span: 1 }]);
    await shard.send('traces', json);
    await shard.send('traces', json);
    expect(await storedSpans()).toBe(2);
  });
});
