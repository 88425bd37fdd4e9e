import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LiveKind, livePath } from '../../../src/shared/read/live.ts';
import { formatNanos } from '../../../src/shared/time.ts';
import { type LiveClient, listenLive } from '../../support/live-client.ts';
import { attribute, spanId, traceId, tracesOf } from '../../support/otlp-samples.ts';
import { postWrite } from '../../support/shard-writes.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

let shard: TestShard;
let clients: LiveClient[];
beforeEach(async () => {
  shard = await startTestShard();
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client.close();
  await shard.remove();
});

async function listen(kind: LiveKind, parameters: Record<string, string> = {}): Promise<LiveClient> {
  const client = await listenLive(`${shard.readUrl}${livePath(kind)}?${new URLSearchParams(parameters)}`);
  expect(client.status).toBe(200);
  clients.push(client);
  return client;
}

const operations = (client: LiveClient) => client.events().map(rows => rows.map(row => row.operation));
const bodies = (client: LiveClient) => client.events().map(rows => rows.map(row => row.body));

function logsOf(service: string, logs: readonly object[]) {
  const resource = { attributes: [attribute('service.name', service)] };
  return { resourceLogs: [{ resource, scopeLogs: [{ logRecords: logs }] }] };
}

const log = (body: string, severityNumber = 9) => ({
  timeUnixNano: '5',
  severityNumber,
  body: { stringValue: body },
});

describe('the live feed of a shard', () => {
  it('tells spans as reads show them, after they are stored', async () => {
    const client = await listen('spans');
    await shard.send('traces', tracesOf('shop', [{ trace: 1, span: 1, name: 'GET /größe 😀', status: 2 }]));

    await expect.poll(() => client.events()).toHaveLength(1);
    const { rows } = await shard.read('spans', { limit: 1 });
    expect(client.events()).toEqual([rows]);
    expect(client.text()).toMatch(/^[\n\x20-\x7e]*$/);
  });

  it('tells logs as reads show them', async () => {
    const client = await listen('logs');
    await shard.send('logs', logsOf('shop', [log('x'.repeat(10_000), 17)]));

    await expect.poll(() => client.events()).toHaveLength(1);
    const { rows } = await shard.read('logs', { limit: 1 });
    expect(client.events()).toEqual([rows]);
    expect(rows[0]).toMatchObject({ body: '', body_sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
  });

  it('keeps spans and logs apart', async () => {
    const spans = await listen('spans');
    const logs = await listen('logs');
    await shard.send('logs', logsOf('shop', [log('a')]));
    await shard.send('traces', tracesOf('shop', [{ trace: 1, span: 1, name: 'b' }]));

    await expect.poll(() => operations(spans)).toEqual([['b']]);
    expect(bodies(logs)).toEqual([['a']]);
  });

  it('filters exactly, each subscriber as it asked', async () => {
    const all = await listen('spans');
    const failed = await listen('spans', { status: 'error' });
    const failedOfShop = await listen('spans', { status: 'error', service: 'shop' });
    const ofShopping = await listen('spans', { service: 'sho' });
    const warnings = await listen('logs', { severity: 'warn' });

    await shard.send(
      'traces',
      tracesOf('shop', [
        { trace: 1, span: 1, name: 'fine', status: 1 },
        { trace: 1, span: 2, name: 'bad', status: 2 },
      ]),
    );
    await shard.send('traces', tracesOf('cart', [{ trace: 1, span: 3, name: 'bad cart', status: 2 }]));
    await shard.send('logs', logsOf('shop', [log('info'), log('warning', 13), log('error', 17)]));
    await shard.send('traces', tracesOf('shop', [{ trace: 1, span: 4, name: 'last', status: 2 }]));

    await expect.poll(() => operations(all)).toEqual([['fine', 'bad'], ['bad cart'], ['last']]);
    await expect.poll(() => operations(failedOfShop)).toEqual([['bad'], ['last']]);
    expect(operations(failed)).toEqual([['bad'], ['bad cart'], ['last']]);
    expect(bodies(warnings)).toEqual([['warning']]);
    expect(ofShopping.text()).toBe('');
  });

  it('tells each batch as an event of its own, although batches share commits', async () => {
    const client = await listen('spans');
    const batches = Array.from({ length: 20 }, (_, batch) =>
      ['a', 'b'].map(slice => ({
        exportId: `${batch}${slice}`.padStart(32, '0'),
        json: tracesOf('shop', [{ trace: batch, span: slice, name: `${batch}${slice}` }]),
      })),
    );
    await Promise.all(
      batches.map((slices, no) => shard.deliver({ id: `batch-${no}`, signal: 'traces', slices })),
    );

    await expect.poll(() => client.events()).toHaveLength(20);
    const expected = Array.from({ length: 20 }, (_, batch) => [`${batch}a`, `${batch}b`]);
    expect(operations(client).toSorted()).toEqual(expected.toSorted());
  });

  it('does not tell what is delivered or exported again', async () => {
    const client = await listen('spans');
    const slice = (exportId: string, name: string) => ({
      exportId: exportId.padStart(32, '0'),
      json: tracesOf('shop', [{ trace: 1, span: name, name }]),
    });
    const batch = { id: 'one', signal: 'traces', slices: [slice('1', 'a')] } as const;
    await shard.deliver(batch);
    await shard.deliver(batch);
    await shard.deliver({ id: 'two', signal: 'traces', slices: [slice('1', 'a')] });
    await shard.deliver({ id: 'three', signal: 'traces', slices: [slice('1', 'a'), slice('2', 'b')] });
    await shard.send('traces', tracesOf('shop', []));
    await shard.deliver({ id: 'four', signal: 'traces', slices: [slice('3', 'c')] });

    await expect.poll(() => operations(client)).toEqual([['a'], ['b'], ['c']]);
  });

  it('tells runner spans, which are written through the read API', async () => {
    const client = await listen('spans');
    const written = await postWrite(shard.readUrl, 'runnerSpan', {
      id: 'w1',
      traceId: traceId('eval'),
      spanId: spanId('case'),
      startNs: '1000',
      endNs: '2000',
      status: 'ok',
      attributes: {},
    });

    await expect.poll(() => client.events()).toEqual([[written.body]]);
    expect(client.events()[0]?.[0]?.start_time).toBe(formatNanos(1000n));
  });

  it('is broken off when the shard stops, and can be listened to when it is back', async () => {
    const client = await listen('spans');
    await shard.restart();
    await expect.poll(() => client.ending()).toBe('broken off');

    const again = await listen('spans');
    await shard.send('traces', tracesOf('shop', [{ trace: 1, span: 1, name: 'afterwards' }]));
    await expect.poll(() => operations(again)).toEqual([['afterwards']]);
  });
});
