import { afterEach, describe, expect, it } from 'vitest';
import type { ShardSender } from '../../src/ingest/delivery/sender.ts';
import { createShardSender } from '../../src/ingest/delivery/shard-sender.ts';
import { decodeSlices } from '../../src/shared/otlp/batch-header.ts';
import { systemClock } from '../../src/shared/time.ts';
import { newBatch } from '../conformance/new-batch.ts';
import { type Answers, ok, startStubOtlpShard } from '../support/stub-otlp-shard.ts';

describe('a sender', () => {
  const parts: { stop(): Promise<void> }[] = [];

  afterEach(async () => {
    for (const part of parts.splice(0)) await part.stop();
  });

  const shardThat = async (answer: Answers) => {
    const shard = await startStubOtlpShard(answer);
    parts.push(shard);
    return shard;
  };

  const senderTo = (baseUrl: string, timeoutMs = 2000): ShardSender => {
    const sender = createShardSender({
      shard: 's0',
      kind: 'embedded',
      baseUrl,
      timeoutMs,
      clock: systemClock,
    });
    parts.unshift(sender);
    return sender;
  };

  const never = new AbortController().signal;

  it('posts the batch as plain OTLP with its name in the headers', async () => {
    const shard = await shardThat(() => ok);
    const batch = newBatch('s0', {
      signal: 'logs',
      payload: Buffer.from([0x0a, 0x00, 0xff]),
      slices: [{ exportId: 'ab'.repeat(16), sizeBytes: 3 }],
    });
    expect(await senderTo(`${shard.url}/base/`).send(batch, never)).toEqual({ kind: 'delivered' });
    const [delivery] = shard.deliveries;
    expect(delivery?.path).toBe('/base/v1/logs');
    expect(delivery?.body).toEqual(batch.payload);
    expect(delivery?.headers).toMatchObject({
      'content-type': 'application/x-protobuf',
      'content-length': '3',
      'otelfan-batch-id': batch.id,
    });
    expect(decodeSlices(delivery?.headers['otelfan-slices'] as string, 3)).toEqual(batch.slices);
  });

  it('gives up at its deadline, to the tenth of a second', async () => {
    const shard = await shardThat(() => 'silence');
    const since = performance.now();
    const outcome = await senderTo(shard.url, 150).send(newBatch('s0'), never);
    expect(outcome).toEqual({ kind: 'retry', reason: 'shard s0 did not answer within 150 ms' });
    expect(performance.now() - since).toBeLessThan(300);
  });

  it('takes a lost connection and a closed port for a reason to retry', async () => {
    const shard = await startStubOtlpShard(() => 'hang up');
    const sender = senderTo(shard.url);
    expect((await sender.send(newBatch('s0'), never)).kind).toBe('retry');
    await shard.stop();
    expect(await sender.send(newBatch('s0'), never)).toMatchObject({
      kind: 'retry',
      reason: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('reckons by the clock it was given how long a shard asks for peace', async () => {
    const header = { 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' };
    const shard = await shardThat(() => ({ status: 503, headers: header }));
    const clock = { now: () => Date.UTC(2026, 0, 1) };
    const sender = createShardSender({
      shard: 's0',
      kind: 'embedded',
      baseUrl: shard.url,
      timeoutMs: 2000,
      clock,
    });
    parts.unshift(sender);
    expect(await sender.send(newBatch('s0'), never)).toMatchObject({ kind: 'retry', afterMs: 30_000 });
  });

  it('gives up when told to', async () => {
    const shard = await shardThat(() => 'silence');
    const giveUp = new AbortController();
    const sending = senderTo(shard.url).send(newBatch('s0'), giveUp.signal);
    giveUp.abort();
    expect((await sending).kind).toBe('retry');
  });

  it('keeps a readable, bounded reason from a refusal', async () => {
    const body = `\u0008\u0003\u0012\u0009bad span ${'x'.repeat(100_000)}`;
    const shard = await shardThat(() => ({ status: 400, body }));
    const outcome = await senderTo(shard.url).send(newBatch('s0'), never);
    expect(outcome).toMatchObject({
      kind: 'reject',
      reason: expect.stringMatching(/^HTTP 400: bad span x+$/),
    });
    expect(JSON.stringify(outcome).length).toBeLessThan(600);
  });

  it('refuses an address that it cannot post to, by name', () => {
    const options = { shard: 's2', timeoutMs: 100, clock: systemClock };
    expect(() => createShardSender({ ...options, kind: 'embedded', baseUrl: 'grpc://tael-2:4317' })).toThrow(
      /shard s2: otlp is grpc:\/\/tael-2:4317; .* https?:/,
    );
    expect(() => createShardSender({ ...options, kind: 'tael', baseUrl: 'http://tael-2:4317' })).toThrow(
      /shard s2: otlp is http:\/\/tael-2:4317; .* grpc:/,
    );
  });
});
