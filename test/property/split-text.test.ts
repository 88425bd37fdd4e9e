import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { attribute, tracesOf } from '../support/otlp-samples.ts';
import { type QueryHarness, startQuery } from '../support/query-harness.ts';
import { shardSpec } from '../support/stub-shard.ts';
import { startTestShard, type TestShard } from '../support/test-shard.ts';

const SHARDS = 3;
let shards: readonly TestShard[];
let whole: TestShard;
let many: QueryHarness;
let one: QueryHarness;
beforeAll(async () => {
  const start = () => startTestShard({ repeatWindowMs: 0 });
  whole = await start();
  shards = await Promise.all(Array.from({ length: SHARDS }, start));
  const options = { timeoutMs: 60_000, limits: { maxRows: 5000 } };
  const specOf = ({ readUrl }: TestShard, index: number) =>
    shardSpec(`s${index}`, Number(new URL(readUrl).port));
  many = await startQuery(shards.map(specOf), options);
  one = await startQuery([specOf(whole, 0)], options);
});
afterAll(async () => {
  await many.stop();
  await one.stop();
  await Promise.all([whole, ...shards].map(shard => shard.remove()));
});

const word = fc.constantFrom('card', 'was', 'declined', 'twice');
const sentence = fc.array(word, { maxLength: 4 }).map(words => words.join(' '));
const span = fc.record({
  trace: fc.nat(2),
  no: fc.nat(5),
  prompt: fc.option(sentence),
  completion: fc.option(sentence),
});
type Span = typeof span extends fc.Arbitrary<infer T> ? T : never;

const term = fc.oneof(
  word,
  fc.array(word, { minLength: 2, maxLength: 2 }).map(words => `"${words.join(' ')}"`),
);
const search = fc.record({
  text: fc.array(term, { minLength: 1, maxLength: 3 }).map(terms => terms.join(' ')),
  // Above 2000 the word table is asked at once.
  limit: fc.constantFrom(2, 100, 3000),
});

/** A span keeps to one shard, and may be sent there several times. */
const shardOf = ({ no }: Span) => no % SHARDS;
let runNo = 0;

async function send(shard: TestShard, service: string, spans: readonly Span[]): Promise<void> {
  if (spans.length === 0) return;
  const samples = spans.map(({ trace, no, prompt, completion }) => ({
    trace: `${service}${trace}`,
    span: no,
    start: 1000 + no,
    attributes: [
      attribute('gen_ai.system', 'x'),
      ...(prompt === null ? [] : [attribute('gen_ai.prompt', prompt)]),
      ...(completion === null ? [] : [attribute('gen_ai.completion', completion)]),
    ],
  }));
  expect((await shard.send('traces', tracesOf(service, samples))).status).toBe(200);
}

it('a text search over traces that are spread over shards finds what one shard with all of them finds', {
  timeout: 240_000,
}, async () => {
  const commits = fc.array(fc.array(span, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 3 });
  const searches = fc.array(search, { minLength: 4, maxLength: 4 });
  let foundSpans = 0;
  const property = fc.asyncProperty(commits, searches, async (sent, asked) => {
    const service = `r${runNo++}`;
    for (const spans of sent) {
      await send(whole, service, spans);
      for (const [index, shard] of shards.entries()) {
        await send(
          shard,
          service,
          spans.filter(each => shardOf(each) === index),
        );
      }
    }
    for (const { text, limit } of asked) {
      const query = new URLSearchParams({ text, service, limit: String(limit) });
      const expected = await one.get(`/api/v1/traces?${query}`);
      const answer = await many.get(`/api/v1/traces?${query}`);
      expect(answer.body.partial).toBe(false);
      expect(answer.body.spans).toEqual(expected.body.spans);
      foundSpans += (answer.body.spans as unknown[]).length;
    }
  });
  await fc.assert(property, { numRuns: 10 });
  expect(foundSpans).toBeGreaterThan(0);
});
