import { afterEach, describe, expect, it } from 'vitest';
import { attribute, spanId, traceId, tracesOf } from '../../support/otlp-samples.ts';
import { postWrite } from '../../support/shard-writes.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

const HOUR_MS = 3_600_000;

let shard: TestShard;
afterEach(() => shard.remove());

const chat = (prompt: string) => [attribute('gen_ai.system', 'x'), attribute('gen_ai.prompt', prompt)];

async function found(text: string, limit = 10_000): Promise<unknown[]> {
  const { rows, trailer } = await shard.read('spans', { text, limit });
  expect(trailer.truncated).toBe(false);
  return rows.map(row => row.span_id);
}

describe('D16: the text index', () => {
  it('has no cap on how many spans a text finds', async () => {
    shard = await startTestShard();
    const spans = Array.from({ length: 1500 }, (_, index) => ({
      trace: `t${index}`,
      span: 's',
      attributes: chat(`needle number ${index}`),
    }));
    await shard.send('traces', tracesOf('shop', spans));
    expect(await found('needle')).toHaveLength(1500);
    expect(await found('needle 1234')).toHaveLength(1);
  });

  it('finds a span once that was sent again, also when its start time changed', async () => {
    shard = await startTestShard();
    for (const start of [1000, 1000, 2000]) {
      await shard.send(
        'traces',
        tracesOf('shop', [{ trace: 't', span: 's', start, attributes: chat('needle') }]),
      );
    }
    expect(await found('needle')).toEqual([spanId('s')]);
  });

  it('finds a runner span, and once when it was replaced', async () => {
    shard = await startTestShard();
    const write = (id: string, status: string) =>
      postWrite(shard.readUrl, 'runnerSpan', {
        id,
        traceId: traceId('eval'),
        spanId: spanId('case'),
        startNs: '1000',
        endNs: '2000',
        status,
        attributes: { 'gen_ai.system': 'judge', 'gen_ai.prompt': 'needle in a case' },
      });
    await write('begin', 'unset');
    expect(await found('needle')).toEqual([spanId('case')]);
    await write('end', 'ok');
    expect(await found('needle')).toEqual([spanId('case')]);
  });

  it('forgets what retention has deleted, and nothing else', async () => {
    shard = await startTestShard({
      retention: { maxAgeMs: HOUR_MS, maxBytes: 2 ** 40, evalAgeMs: 24 * HOUR_MS },
    });
    await shard.send('traces', tracesOf('shop', [{ trace: 'old', span: 'o', attributes: chat('needle') }]));
    shard.advance(2 * HOUR_MS);
    await shard.send('traces', tracesOf('shop', [{ trace: 'new', span: 'n', attributes: chat('needle') }]));
    await expect.poll(() => found('needle'), { timeout: 20_000 }).toEqual([spanId('n')]);
    // The trace comes back without its words: they must not be found by what was deleted.
    await shard.send('traces', tracesOf('shop', [{ trace: 'old', span: 'again' }]));
    expect(await found('needle')).toEqual([spanId('n')]);
  });
});
