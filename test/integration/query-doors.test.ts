import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type QueryHarness, startQuery } from '../support/query-harness.ts';
import { startStubShard } from '../support/stub-shard.ts';

let query: QueryHarness;
beforeAll(async () => {
  query = await startQuery([]);
});
afterAll(() => query.stop());

describe('doors of the query proxy that stay closed', () => {
  it.each([
    ['POST', '/api/v1/write', 'Prometheus remote write'],
    ['PUT', '/v0.3/traces', 'Datadog traces'],
    ['POST', '/v0.4/traces', 'Datadog traces'],
    ['PUT', '/v0.5/traces', 'Datadog traces'],
  ])('%s %s is 501 and names OTLP', async (method, path, what) => {
    const { status, body } = await query.get(path, { method, body: 'x' });
    expect(status).toBe(501);
    expect(body).toEqual({
      error: `${what} cannot be received: send OTLP to otelfan ingest, gRPC (port 4317) or HTTP (port 4318)`,
    });
  });

  it.each(['/info', '/v0.6/stats', '/telemetry/proxy/api/v2/apmtelemetry', '/v0.2/traces'])(
    '%s is 404',
    async path => {
      for (const method of ['GET', 'POST']) {
        const { status, body } = await query.get(path, { method });
        expect(status).toBe(404);
        expect(body).toEqual({ error: `no such path: ${path}` });
      }
    },
  );

  it('D26: the internal API of shards is not reached through the proxy', async () => {
    const shard = await startStubShard('s0', response => response.writeHead(200).end());
    const over = await startQuery([shard.spec]);
    try {
      for (const path of [
        '/internal/v1/reads/spans',
        '/internal/v1/sql',
        '/internal/wal/records',
        '/internal/cluster',
      ]) {
        for (const method of ['GET', 'POST'])
          expect((await over.get(path, { method })).status, path).toBe(404);
      }
      expect(shard.reads).toEqual([]);
    } finally {
      await over.stop();
      await shard.stop();
    }
  });
});
