import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ShardReadRequest } from '../../../src/shared/read/contract.ts';
import { attribute } from '../../support/otlp-samples.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

const HOUR_MS = 3_600_000;

let shard: TestShard;
beforeEach(async () => {
  shard = await startTestShard({ retention: { maxAgeMs: HOUR_MS, maxBytes: 2 ** 40, evalAgeMs: HOUR_MS } });
});
afterEach(() => shard.remove());

let timeNs = 1000;

/** Each log is a nanosecond newer than the one before. */
async function send(...logs: readonly { name: string; body: string }[]): Promise<void> {
  const logRecords = logs.map(({ name, body }) => ({
    timeUnixNano: String(timeNs++),
    body: { stringValue: body },
    attributes: [attribute('name', name)],
  }));
  expect((await shard.send('logs', { resourceLogs: [{ scopeLogs: [{ logRecords }] }] })).status).toBe(200);
}

async function found(request: Partial<ShardReadRequest<'logs'>>): Promise<unknown[]> {
  const { rows } = await shard.read('logs', { limit: 100, ...request });
  return rows.map(row => (row.attributes as { name: string }).name);
}

const long = (text: string) => `${'padding '.repeat(2000)}${text}`;

describe('a search of log bodies', () => {
  it('finds whole words in whatever case, newest first', async () => {
    await send({ name: 'a', body: 'Payment FAILED for card_7' }, { name: 'b', body: 'payments failed' });
    await send({ name: 'c', body: 'failed: payment' });
    expect(await found({ text: 'payment failed' })).toEqual(['c', 'a']);
    expect(await found({ text: '"payment failed"' })).toEqual(['a']);
    expect(await found({ text: 'card' })).toEqual([]);
    expect(await found({ text: 'failed', limit: 2 })).toEqual(['c', 'b']);
  });

  it('finds nothing without a word', async () => {
    await send({ name: 'a', body: '- . -' });
    expect(await found({ text: '' })).toEqual([]);
    expect(await found({ text: '-' })).toEqual([]);
  });

  it('looks into bodies that are kept as blobs, for words, phrases and parts', async () => {
    await send({ name: 'short', body: 'the needle' }, { name: 'long', body: long('The Needle in it') });
    expect(await found({ text: 'needle' })).toEqual(['long', 'short']);
    expect(await found({ text: '"needle in"' })).toEqual(['long']);
    expect(await found({ text: 'needle padding' })).toEqual(['long']);
    expect(await found({ bodyContains: 'Needle' })).toEqual(['long']);
    expect(await found({ bodyContains: 'eedle' })).toEqual(['long', 'short']);
    expect(await found({ bodyContains: 'needle', text: 'padding' })).toEqual([]);
    expect(await found({ bodyContains: 'Needle', text: 'padding' })).toEqual(['long']);
  });

  it('finds every record of equal ones, one blob or not', async () => {
    await send({ name: 'a', body: 'needle' }, { name: 'b', body: 'needle' });
    await send({ name: 'c', body: long('needle') }, { name: 'd', body: long('needle') });
    expect(await found({ text: 'needle' })).toEqual(['d', 'c', 'b', 'a']);
    expect(await found({ bodyContains: 'needle', limit: 3 })).toEqual(['d', 'c', 'b']);
  });

  it('meets the other filters, too', async () => {
    await send({ name: 'a', body: 'needle' }, { name: 'b', body: 'needle' }, { name: 'c', body: 'needle' });
    const fromNs = String(timeNs - 2);
    expect(await found({ text: 'needle', fromNs })).toEqual(['c', 'b']);
    expect(await found({ text: 'needle', fromNs, toNs: fromNs })).toEqual(['b']);
    expect(await found({ text: 'needle', severity: 'error' })).toEqual([]);
  });

  it('goes on where a page ended, with the row that it starts at', async () => {
    await send(...Array.from({ length: 10 }, (_, no) => ({ name: String(no), body: `needle ${no}` })));
    const names: unknown[] = [];
    let startAt: ShardReadRequest<'logs'>['startAt'];
    for (let page = 0; page < 5; page++) {
      const { rows, keys } = await shard.read('logs', { text: 'needle', limit: 3, startAt });
      names.push(...rows.map(row => (row.attributes as { name: string }).name));
      startAt = keys.at(-1) as typeof startAt;
    }
    expect(names).toEqual(['9', '8', '7', '7', '6', '5', '5', '4', '3', '3', '2', '1', '1', '0']);
  });

  it('forgets what retention has deleted, and nothing else', async () => {
    await send({ name: 'old', body: 'needle' }, { name: 'old and long', body: long('needle') });
    shard.advance(2 * HOUR_MS);
    await send({ name: 'new', body: 'needle' }, { name: 'new and long', body: long('needle') });
    await expect.poll(() => found({ text: 'needle' }), { timeout: 20_000 }).toEqual(['new and long', 'new']);
  });

  it('finds a word among more distinct ones than are remembered', async () => {
    const words = Array.from({ length: 300_000 }, (_, no) => no.toString(36));
    const bodies = Array.from({ length: 300 }, (_, no) => words.slice(no * 1000, (no + 1) * 1000).join(' '));
    await send(...bodies.map((body, no) => ({ name: String(no), body })));
    // Newer ones, behind which only the words of a commit lead to it.
    await send(...Array.from({ length: 20_001 }, () => ({ name: 'newer', body: 'x' })));
    expect(await found({ text: words[123_456] })).toEqual(['123']);
  });
});
