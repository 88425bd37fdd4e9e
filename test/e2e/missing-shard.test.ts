import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { expectNothingUnaccounted } from '../support/conservation.ts';
import { seededRandom, startLoad } from '../support/load.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { eventually, get } from '../support/read-api.ts';
import { openRedisQueue } from '../support/redis-queue.ts';
import { type SeparateSystem, startSeparate } from '../support/systems.ts';

let system: SeparateSystem;
beforeAll(async () => {
  system = await startSeparate();
});
afterAll(() => system?.stop());

const read = async () => {
  const { status, body, headers } = await get(system.api, 'traces?service=load&limit=100000');
  return {
    status,
    headers,
    body,
    ids: new Set(((body.spans ?? []) as Json[]).map(span => span.span_id as string)),
  };
};

async function sendFor(ms: number, seed: number): Promise<Set<string>> {
  const load = startLoad({ http: system.http, random: seededRandom(seed), service: 'load', concurrency: 2 });
  await new Promise(resolve => setTimeout(resolve, ms));
  const { acknowledged, sent } = await load.stop();
  expect(acknowledged).toEqual(sent);
  return acknowledged;
}

describe('with one of three shards down', () => {
  it('reads answer with the rest and name it, ingest takes everything, and all of it arrives after the restart', async () => {
    // Healthy: everything is there and the answer is whole.
    const before = await sendFor(300, 1);
    const whole = await eventually(read, answer => answer.ids.size === before.size);
    expect(whole.body.partial).toBe(false);

    // Down: the others' data, marked as partial, and every export still answered with 200.
    await system.killShard('s1');
    const partial = await read();
    expect(partial.status).toBe(200);
    expect(partial.body.partial).toBe(true);
    expect(partial.body.shards).toMatchObject({ total: 3, ok: 2, failed: [{ id: 's1' }] });
    expect(partial.headers.get('otelfan-missing-shards')).toBe('s1');
    expect(partial.ids.size).toBeGreaterThan(0);
    expect(partial.ids.size).toBeLessThan(before.size);

    const during = await sendFor(300, 2);
    const strict = await get(system.api, 'services?partial=false');
    expect(strict.status).toBe(503);

    const cli = await runCli(['get', 'services', '--server', system.api]);
    expect(cli.exitCode).toBe(3);
    expect(cli.stderr).toContain('s1');

    // Back: what was held for it arrives, once.
    await system.restartShard('s1');
    const expected = new Set([...before, ...during]);
    const after = await eventually(read, answer => answer.ids.size === expected.size && !answer.body.partial);
    expect(after.ids).toEqual(expected);
    const { body } = await get(system.api, 'services');
    expect((body.services as Json[])[0]).toMatchObject({ span_count: expected.size });
    const queue = await openRedisQueue(system.redisUrl);
    await expectNothingUnaccounted({ metrics: system.metrics, queue }).finally(() => queue.stop());
  });

  it('a shard that hangs costs the reader the deadline at most, and nothing else', async () => {
    system.shard('s2').pause();
    const startMs = performance.now();
    const { status, body } = await get(system.api, 'traces?timeout=1s');
    const elapsedMs = performance.now() - startMs;
    system.shard('s2').resume();
    expect(status).toBe(200);
    expect(body.shards.failed.map(shard => shard.id)).toEqual(['s2']);
    // The proxy keeps a tenth of the time to answer in.
    expect(elapsedMs).toBeGreaterThan(850);
  });
});
