import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type EvalSite, startEvalSite } from '../support/eval-site.ts';
import { attribute, metricsOf } from '../support/otlp-samples.ts';

/* The examples of writes and evals in docs/API.md, done one after the other. */

interface Example {
  readonly path: string;
  /** What is posted. */
  readonly body: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** As it stands there: `…` is for what is left out. */
  readonly answer: string;
}

const DOCS = readFileSync(new URL('../../docs/API.md', import.meta.url), 'utf8');
const SECTIONS = DOCS.slice(DOCS.indexOf('\n## Writes\n'), DOCS.indexOf('\n## Rows\n'));
const EXAMPLE = /```sh\ncurl (.*?)\n```\n```json\n(.*?)\n```/gs;

const examples: Example[] = Array.from(SECTIONS.matchAll(EXAMPLE), ([, command = '', answer = '']) => ({
  path: /http:\/\/127\.0\.0\.1:7701([^'\s]+)/.exec(command)?.[1] ?? '',
  body: /(?:-d|--data-binary) '(.*)'$/s.exec(command)?.[1],
  headers: Object.fromEntries(
    Array.from(command.matchAll(/-H '([^:']+): ([^']*)'/g), ([, name = '', value = '']) => [name, value]),
  ),
  answer,
}));

let site: EvalSite;
beforeAll(async () => {
  site = await startEvalSite(3, {
    query: {
      clock: { now: () => Date.parse('2026-11-23T21:36:00Z') },
      newId: () => '019ab2b4-9e00-7c3a-8f51-6d2e0b9a4c77',
    },
  });
  const attributes = { run_id: 'nightly-41', case_id: 'refund', metric: 'correctness' };
  const dataPoints = [
    {
      timeUnixNano: `${Date.parse('2026-11-22T21:36:00Z')}000000`,
      asDouble: 0.5,
      attributes: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
    },
  ];
  await site.send('metrics', metricsOf('tael-eval', [{ name: 'tael_eval_score', gauge: { dataPoints } }]));
});
afterAll(() => site.stop());

it('there is an example of every endpoint', () => {
  expect(examples.map(({ path }) => path.replace(/\?.*/, ''))).toEqual([
    '/api/v1/traces/5b8efff798038103d269b633813fc60c/comments',
    '/api/v1/traces/5b8efff798038103d269b633813fc60c/comments',
    '/api/v1/evals/runner-spans',
    '/api/v1/blobs',
    '/api/v1/evals/scores',
    '/api/v1/evals/scores',
    '/api/v1/evals/runs',
    '/api/v1/evals/runs/nightly-42',
    '/api/v1/evals/runs/nightly-42/cases',
    '/api/v1/evals/runs/nightly-42/scores',
    '/api/v1/evals/runs/nightly-42/compare',
  ]);
});

it.each(examples)('docs/API.md: $path answers as shown', async ({ path, body, headers, answer }) => {
  const { status, body: given } =
    body === undefined ? await site.query.get(path) : await site.post(path, body, headers);
  expect(given).toMatchObject(JSON.parse(answer.replace(/,\s*…/g, '')) as object);
  const expected = 'error' in given ? 400 : 201;
  expect(status).toBe(body === undefined ? 200 : expected);
});
