import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BATCH_ID_HEADER,
  batchHeaders,
  SLICE_CUT_FROM_HEADER,
  SLICES_HEADER,
} from '../../../src/shared/otlp/batch-header.ts';
import { metricsOf, traceId, tracesOf } from '../../support/otlp-samples.ts';
import { otlpBytes, post, startTestShard, type TestShard } from '../../support/test-shard.ts';

let shard: TestShard;
beforeAll(async () => {
  shard = await startTestShard();
});
afterAll(() => shard.remove());

const BODY = otlpBytes('traces', tracesOf('shop', [{ trace: 1, span: 1 }]));
const SLICES = batchHeaders({ id: 'b1', slices: [{ exportId: traceId('e1'), sizeBytes: BODY.length }] });

function deliverBody(headers: Record<string, string>, body = BODY): Promise<Response> {
  return post(shard.otlpUrl, { signal: 'traces', body, headers });
}

describe('the OTLP door', () => {
  it.each([
    ['a batch id without slices', { [BATCH_ID_HEADER]: 'b1' }, 'go together'],
    ['slices without a batch id', { [SLICES_HEADER]: String(SLICES[SLICES_HEADER]) }, 'go together'],
    [
      'a batch id of other characters',
      { ...(SLICES as Record<string, string>), [BATCH_ID_HEADER]: 'b 1' },
      'A-Z a-z 0-9',
    ],
    [
      'slices of another size',
      batchHeaders({ id: 'b1', slices: [{ exportId: traceId('e1'), sizeBytes: 1 }] }) as Record<
        string,
        string
      >,
      'adds up to 1 bytes',
    ],
    [
      'what a slice was cut from, of two slices',
      {
        ...(batchHeaders({
          id: 'b1',
          slices: [
            { exportId: traceId('e1'), sizeBytes: 1 },
            { exportId: traceId('e2'), sizeBytes: BODY.length - 1 },
          ],
        }) as Record<string, string>),
        [SLICE_CUT_FROM_HEADER]: traceId('e0'),
      },
      'is about one slice; the batch has 2',
    ],
    ['slices that are no entries', { [BATCH_ID_HEADER]: 'b1', [SLICES_HEADER]: 'AAAA' }, 'multiple of 20'],
  ])('refuses %s', async (_what, headers, message) => {
    const response = await deliverBody(headers);
    expect(response.status).toBe(400);
    expect(await response.text()).toContain(message);
  });

  it('refuses a batch with an undecodable slice, names it and stores nothing of it', async () => {
    const broken = Buffer.from([0x0a, 5, 1]);
    const response = await deliverBody(
      batchHeaders({
        id: 'b2',
        slices: [
          { exportId: traceId('good'), sizeBytes: BODY.length },
          { exportId: traceId('bad'), sizeBytes: broken.length },
        ],
      }) as Record<string, string>,
      Buffer.concat([BODY, broken]),
    );
    expect(response.status).toBe(400);
    expect(await response.text()).toContain(
      `slice of export ${traceId('bad')} is not a valid OTLP traces request`,
    );
    expect((await shard.read('spans', { limit: 10 })).rows).toEqual([]);
  });

  it('stores what it can and says how many records it rejected and why', async () => {
    const valid = tracesOf('shop', [{ trace: 'ok', span: 1 }]);
    const json = {
      resourceSpans: [
        ...(valid.resourceSpans as object[]),
        {
          scopeSpans: [
            {
              spans: [
                { traceId: '00'.repeat(16), spanId: '01'.repeat(8) },
                { traceId: '01'.repeat(16), spanId: '0102' },
              ],
            },
          ],
        },
      ],
    };
    const response = await shard.send('traces', json);
    expect(response.status).toBe(200);
    const text = await response.text();
    expect(text).toContain('1 × span whose trace_id is not 16 bytes');
    expect(text).toContain('1 × span whose span_id is not 8 bytes');
    expect((await shard.read('trace', { traceId: traceId('ok') })).rows).toHaveLength(1);
  });

  it('keeps metric points without a value, with null', async () => {
    const json = metricsOf('shop', [
      { name: 'm', gauge: { dataPoints: [{ timeUnixNano: '1' }, { asInt: '1' }] } },
    ]);
    expect(await (await shard.send('metrics', json)).text()).toBe('');
    const { rows } = await shard.read('metrics', { limit: 10 });
    expect(rows.map(row => row.value)).toEqual([null, 1]);
    expect(rows[0]).not.toHaveProperty('value_text');
  });

  it('takes an empty request', async () => {
    expect((await shard.send('logs', {})).status).toBe(200);
  });
});

describe('the read server', () => {
  const ask = async (path: string, body: string, method = 'POST') => {
    const response = await fetch(`${shard.readUrl}${path}`, { method, ...(method === 'POST' && { body }) });
    return [response.status, await response.json()] as const;
  };

  it.each<[string, string, string, number, string]>([
    ['a request that does not fit', '/internal/v1/reads/spans', '{"limit":-1}', 400, 'limit'],
    ['an unknown member', '/internal/v1/reads/services', '{"last":"1h"}', 400, 'last'],
    ['a body that is not JSON', '/internal/v1/reads/spans', '{', 400, 'not JSON'],
    ['a body over 1 MiB', '/internal/v1/reads/spans', `"${'x'.repeat(1024 * 1024)}"`, 413, '1048576'],
    ['an unknown read', '/internal/v1/reads/blobs', '{}', 404, 'blobs'],
    ['a read that is called like an object member', '/internal/v1/reads/toString', '{}', 404, 'toString'],
    ['another version', '/internal/v2/reads/spans', '{}', 404, 'v1'],
    ['another path', '/', '{}', 404, '/'],
  ])('refuses %s with a JSON error', async (_what, path, body, status, message) => {
    expect(await ask(path, body)).toEqual([status, { error: expect.stringContaining(message) as string }]);
  });

  it('takes reads by POST only', async () => {
    const [status] = await ask('/internal/v1/reads/spans', '', 'GET');
    expect(status).toBe(405);
  });

  it('tells that it lives and that it is ready', async () => {
    for (const [path, text] of [
      ['/healthz', 'ok'],
      ['/readyz', 'ready'],
      ['/readyz/reads', 'ready'],
    ]) {
      const response = await fetch(`${shard.readUrl}${path}`);
      expect([response.status, await response.text()]).toEqual([200, text]);
    }
  });

  it('answers many reads at once', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => shard.read('services', {})));
    expect(new Set(answers.map(({ trailer }) => trailer.asOf)).size).toBe(1);
  });
});
