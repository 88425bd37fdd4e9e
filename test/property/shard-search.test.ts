import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nanosKey } from '../../src/shared/read/ndjson.ts';
import { attribute, type SpanSample, tracesOf } from '../support/otlp-samples.ts';
import { startTestShard, type TestShard } from '../support/test-shard.ts';

/** Words that only Unicode makes equal, words within words, words that are cut, and what stands between words. */
const PIECES = [
  'alpha',
  'Alpha',
  'ALPHA_1',
  'beta',
  'été',
  'ÉTÉ',
  'e\u0301te\u0301',
  'straße',
  'ΟΔΟΣ',
  'οδος',
  '42',
  '3.14',
  'foo_bar',
  'foo',
  'bar',
  '日本',
  '日本語',
  '\u212A',
  'k',
  'İstanbul',
  'istanbul',
  'x'.repeat(70),
  `${'x'.repeat(64)}y`,
  '𝒳'.repeat(70),
  '-',
  "'",
  '%',
];
const SEPARATORS = [' ', ' ', '-', ', ', '\n', '"', '\u00a0'];

interface Search {
  /** What the request says. */
  readonly text: string;
  readonly words: readonly string[];
  readonly phrases: readonly (readonly string[])[];
}

/** Texts, and searches that have a chance with them: both are made of the same few pieces. */
interface Arbitraries {
  readonly piece: fc.Arbitrary<string>;
  readonly text: fc.Arbitrary<string>;
  readonly search: fc.Arbitrary<Search>;
}

const arbitraries = fc.subarray(PIECES, { minLength: 1, maxLength: 5 }).map((pieces): Arbitraries => {
  const piece = fc.constantFrom(...pieces);
  const shortText = fc
    .array(fc.tuple(piece, fc.constantFrom(...SEPARATORS)), { maxLength: 6 })
    .map(parts => parts.flat().join(''));
  return {
    piece,
    // Some are so long that they are kept as blobs.
    text: fc
      .tuple(shortText, fc.boolean(), shortText)
      .map(([start, isLong, end]) => start + (isLong ? ' pad'.repeat(2100) : '') + end),
    search: fc
      .array(fc.tuple(fc.array(piece, { minLength: 1, maxLength: 3 }), fc.boolean()), {
        minLength: 1,
        maxLength: 2,
      })
      .map(terms => ({
        text: terms.map(([term, isPhrase]) => (isPhrase ? `"${term.join(' ')}"` : term.join(' '))).join(' '),
        words: terms.flatMap(([term]) => term.flatMap(wordsOf)),
        phrases: terms.flatMap(([term, isPhrase]) => (isPhrase ? [term.flatMap(wordsOf)] : [])),
      })),
  };
});

function wordsOf(source: string): string[] {
  return source
    .toLowerCase()
    .normalize('NFC')
    .replaceAll('ς', 'σ')
    .split(/[^\p{L}\p{M}\p{N}_]+/u)
    .filter(word => word !== '')
    .map(word => [...word].slice(0, 64).join(''));
}

/** The plain filter: all words somewhere, each phrase within one text. */
function holds(texts: readonly string[], { words, phrases }: Search): boolean {
  const wordsOfTexts = texts.map(wordsOf);
  const all = new Set(wordsOfTexts.flat());
  const isThere = (phrase: readonly string[]) =>
    wordsOfTexts.some(some => ` ${some.join(' ')} `.includes(` ${phrase.join(' ')} `));
  return (
    words.length > 0 &&
    words.every(word => all.has(word)) &&
    phrases.every(phrase => phrase.length === 0 || isThere(phrase))
  );
}

const commitsOf = <T>(record: fc.Arbitrary<T>) =>
  fc.array(fc.array(record, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 3 });
const threeOf = <T>(request: fc.Arbitrary<T>) => fc.array(request, { minLength: 3, maxLength: 3 });

const logCase = arbitraries.chain(({ piece, text, search }) =>
  fc.record({
    commits: commitsOf(text),
    requests: threeOf(
      fc.record({ search, contains: fc.option(piece), limit: fc.constantFrom(2, 100), commit: fc.nat(2) }),
    ),
  }),
);

const spanCase = arbitraries.chain(({ text, search }) =>
  fc.record({
    commits: commitsOf(
      fc.record({
        trace: fc.nat(2),
        span: fc.nat(2),
        prompt: fc.option(text),
        completion: fc.option(text),
        isLlm: fc.boolean(),
      }),
    ),
    // Above 2000 the word table is asked at once.
    requests: threeOf(fc.record({ search, limit: fc.constantFrom(2, 2001), commit: fc.nat(2) })),
  }),
);

/** Newest first, which is also how keys sort as texts. */
function newest(timesNs: readonly bigint[], limit: number): string[] {
  return timesNs.map(nanosKey).toSorted().toReversed().slice(0, limit);
}

/** Newer logs than those of the test, so many that a search has to go on behind them. */
async function addNewerLogs(shard: TestShard): Promise<void> {
  const logRecords = Array.from({ length: 25_000 }, (_, no) => ({
    timeUnixNano: String(10n ** 18n + BigInt(no)),
    body: { stringValue: 'alpha' },
  }));
  const response = await shard.send('logs', { resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
  expect(response.status).toBe(200);
}

let runNo = 0;

describe.each([
  ['among the newest rows', false],
  ['behind the newest rows', true],
])('a text search %s', (_where, hasNewer) => {
  let shard: TestShard;
  beforeAll(async () => {
    shard = await startTestShard({ repeatWindowMs: 0, maxRequestBytes: 64 * 1024 * 1024 });
    if (hasNewer) await addNewerLogs(shard);
  });
  afterAll(() => shard.remove());

  const asOf = async () => (await shard.read('holdings', {})).trailer.asOf;

  it('finds the log records that a filter over all bodies finds', async () => {
    const property = fc.asyncProperty(logCase, async ({ commits, requests }) => {
      const service = `logs-${runNo++}`;
      const stored: { body: string; commit: number; timeNs: bigint }[] = [];
      const snapshots: string[] = [];
      for (const [commit, bodies] of commits.entries()) {
        const logRecords = bodies.map(body => {
          const timeNs = BigInt(1000 + ((stored.length * 7) % 50));
          stored.push({ body, commit, timeNs });
          return { timeUnixNano: String(timeNs), body: { stringValue: body } };
        });
        const resource = { attributes: [attribute('service.name', service)] };
        await shard.send('logs', { resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] });
        snapshots.push(await asOf());
      }
      for (const { search, contains, limit, commit: at } of requests) {
        const commit = Math.min(at, commits.length - 1);
        const snapshot = { service, limit, asOf: snapshots[commit] };
        const bodyContains = contains === null ? {} : { bodyContains: contains };
        const { keys } = await shard.read('logs', { ...snapshot, ...bodyContains, text: search.text });
        const found = stored.filter(
          log =>
            log.commit <= commit &&
            holds([log.body], search) &&
            (contains === null || log.body.includes(contains)),
        );
        expect(keys.map(([time]) => time)).toEqual(
          newest(
            found.map(({ timeNs }) => timeNs),
            limit,
          ),
        );
      }
    });
    await fc.assert(property, { numRuns: 15 });
  });

  it('finds the spans of traces as a filter over their prompts and completions does', async () => {
    const property = fc.asyncProperty(spanCase, async ({ commits, requests }) => {
      const service = `spans-${runNo++}`;
      const sent: { id: string; trace: number; texts: string[]; commit: number; startNs: bigint }[] = [];
      const snapshots: string[] = [];
      for (const [commit, spans] of commits.entries()) {
        const samples = spans.map(({ trace, span, prompt, completion, isLlm }): SpanSample => {
          const startNs = BigInt(1000 + ((sent.length * 7) % 50));
          const texts = isLlm ? [prompt ?? '', completion ?? ''] : [];
          sent.push({ id: `${trace}/${span}`, trace, texts, commit, startNs });
          const attributes = [
            ...(isLlm ? [attribute('gen_ai.system', 'x')] : []),
            ...(prompt === null ? [] : [attribute('gen_ai.prompt', prompt)]),
            ...(completion === null ? [] : [attribute('gen_ai.completion', completion)]),
          ];
          return { trace: `${service}${trace}`, span, start: startNs, attributes };
        });
        await shard.send('traces', tracesOf(service, samples));
        snapshots.push(await asOf());
      }
      for (const { search, limit, commit: at } of requests) {
        const commit = Math.min(at, commits.length - 1);
        const request = { service, limit, asOf: snapshots[commit], text: search.text };
        const { keys } = await shard.read('spans', request);
        const last = new Map(sent.filter(span => span.commit <= commit).map(span => [span.id, span]));
        const found = [...Map.groupBy(last.values(), span => span.trace).values()]
          .filter(trace =>
            holds(
              trace.flatMap(({ texts }) => texts),
              search,
            ),
          )
          .flat();
        expect(keys.map(([start]) => start)).toEqual(
          newest(
            found.map(({ startNs }) => startNs),
            limit,
          ),
        );
      }
    });
    await fc.assert(property, { numRuns: 15 });
  });
});
