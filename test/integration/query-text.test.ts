import { afterEach, beforeEach, expect, it } from 'vitest';
import { attribute, spanId, tracesOf } from '../support/otlp-samples.ts';
import { type QueryHarness, startQuery } from '../support/query-harness.ts';
import { shardSpec } from '../support/stub-shard.ts';
import { startTestShard, type TestShard } from '../support/test-shard.ts';

let shards: TestShard[];
let query: QueryHarness;
beforeEach(async () => {
  shards = await Promise.all([startTestShard(), startTestShard()]);
  const specs = shards.map((shard, index) => shardSpec(`s${index}`, Number(new URL(shard.readUrl).port)));
  query = await startQuery(specs, { timeoutMs: 10_000 });
});
afterEach(async () => {
  await query.stop();
  await Promise.all(shards.map(shard => shard.remove()));
});

interface Answer {
  readonly spans: readonly { readonly span_id: string }[];
  readonly logs: readonly { readonly body: string }[];
}

const ask = async (path: string) => (await query.get(path)).body as unknown as Answer;

it('the parameter text finds words and phrases in the spans and the logs of all shards', async () => {
  for (const [no, shard] of shards.entries()) {
    const chat = [
      attribute('gen_ai.system', 'x'),
      attribute('gen_ai.prompt', `What is the weather in city ${no}?`),
    ];
    await shard.send(
      'traces',
      tracesOf('shop', [{ trace: `t${no}`, span: no, start: 1000 + no, attributes: chat }]),
    );
    const logRecords = [
      { timeUnixNano: String(1000 + no), body: { stringValue: `Weather: city ${no} is fine` } },
    ];
    await shard.send('logs', { resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
  }

  const spans = async (text: string) =>
    (await ask(`/api/v1/traces?text=${encodeURIComponent(text)}`)).spans.map(span => span.span_id);
  expect(await spans('WEATHER city')).toEqual([spanId(1), spanId(0)]);
  expect(await spans('"city 0"')).toEqual([spanId(0)]);
  expect(await spans('"weather city"')).toEqual([]);
  expect(await spans('')).toEqual([]);

  const logs = async (text: string) =>
    (await ask(`/api/v1/logs?text=${encodeURIComponent(text)}`)).logs.map(log => log.body);
  expect(await logs('fine weather')).toEqual(['Weather: city 1 is fine', 'Weather: city 0 is fine']);
  expect(await logs('"city 0 is"')).toEqual(['Weather: city 0 is fine']);
  expect(await logs('')).toEqual([]);
});
