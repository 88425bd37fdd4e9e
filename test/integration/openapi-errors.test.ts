import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rowLine, trailerLine } from '../../src/shared/read/ndjson.ts';
import { MAX_BLOB_BYTES } from '../../src/shared/read/writes.ts';
import type { EvalSite } from '../support/eval-site.ts';
import { type Documented, exampleBody, examplePath, operation, undocumented } from '../support/openapi.ts';
import {
  LIVE,
  NEEDED,
  NOW_MS,
  postExample,
  READS,
  startExampleSite,
  WRITES,
} from '../support/openapi-site.ts';
import { type QueryHarness, startQuery } from '../support/query-harness.ts';
import { startStubShard } from '../support/stub-shard.ts';

let site: EvalSite;
beforeAll(async () => {
  ({ site } = await startExampleSite());
});
afterAll(() => site.stop());

describe('errors are as the OpenAPI document says', () => {
  it.each([...READS, ...LIVE].filter(({ parameters }) => parameters.some(isSingle)))(
    '$method $path: 400 for a parameter that is given twice',
    async read => {
      const name = read.parameters.find(isSingle)?.name;
      const path = examplePath(read);
      const answer = await site.query.get(`${path}${path.includes('?') ? '&' : '?'}${name}=1&${name}=1`);
      expect(answer.status).toBe(400);
      expect(undocumented(read, answer)).toEqual([]);
    },
  );

  it.each([
    ['getTrace', `/api/v1/traces/${'1'.repeat(32)}`],
    ['correlate', `/api/v1/correlate?trace=${'1'.repeat(32)}`],
    ['getEvalRun', '/api/v1/evals/runs/nightly-1'],
    ['getBlob', `/api/v1/blobs/${'0'.repeat(64)}`],
  ])('%s: 404 for what is not there', async (id, path) => {
    const answer = await site.query.get(path);
    expect(answer.status).toBe(404);
    expect(undocumented(operation(id), answer)).toEqual([]);
  });

  it.each(WRITES)(
    '$method $path: 413 for a body that is too large, 415 for one in an unknown coding',
    async write => {
      const tooLarge = await postExample(site, write, { body: 'x'.repeat(MAX_BLOB_BYTES + 1) });
      const unknown = await postExample(site, write, { headers: { 'content-encoding': 'rot13' } });
      expect([tooLarge.status, unknown.status]).toEqual([413, 415]);
      for (const answer of [tooLarge, unknown]) expect(undocumented(write, answer)).toEqual([]);
    },
  );

  it.each(WRITES.filter(({ path }) => path !== '/api/v1/blobs'))(
    '$method $path: 400 for a body without each needed member, 415 for one that is no JSON',
    async write => {
      const { body } = exampleBody(write);
      const content = write.operation.requestBody?.content['application/json'];
      const { required } = { required: [] as string[], ...content?.schema };
      expect(required).not.toEqual([]);
      for (const name of required) {
        const answer = await postExample(site, write, {
          body: JSON.stringify({ ...JSON.parse(body), [name]: undefined }),
        });
        expect(answer.status, name).toBe(400);
        expect(undocumented(write, answer), name).toEqual([]);
      }
      const answer = await postExample(site, write, { headers: { 'content-type': 'text/plain' } });
      expect(answer.status).toBe(415);
      expect(undocumented(write, answer)).toEqual([]);
    },
  );

  it.each(WRITES.filter(({ path }) => path !== '/api/v1/blobs'))(
    '$method $path: 422 for a key that was used with another body',
    async write => {
      const { body } = exampleBody(write);
      const headers = { 'idempotency-key': '"used"' };
      expect((await postExample(site, write, { headers })).status).toBe(201);
      const answer = await postExample(site, write, { headers, body: `${body} ` });
      expect(answer.status).toBe(422);
      expect(undocumented(write, answer)).toEqual([]);
    },
  );

  it('410 for a cursor whose rows are gone', async () => {
    const shard = await startStubShard('s0', (response, _request, { body }) => {
      if (JSON.stringify(body).includes('"asOf"')) {
        return void response.writeHead(410).end(JSON.stringify({ error: 'gone', kind: 'snapshot-gone' }));
      }
      const rows = ['2', '1'].map(no => rowLine([no.repeat(20), no.repeat(20), '', '', no.repeat(16)], '{}'));
      response.end([...rows, trailerLine({ rows: 2, asOf: '1', truncated: false })].join(''));
    });
    const query = await startQuery([shard.spec]);
    try {
      const { next_cursor } = (await query.get('/api/v1/logs?limit=1')).body;
      const answer = await query.get(`/api/v1/logs?limit=1&cursor=${String(next_cursor)}`);
      expect(answer.status).toBe(410);
      expect(undocumented(operation('getLogs'), answer)).toEqual([]);
    } finally {
      await query.stop();
      await shard.stop();
    }
  });

  describe('where bounds are narrow', () => {
    let narrow: QueryHarness;
    beforeAll(async () => {
      narrow = await startQuery([], {
        topology: { current: site.topology, onChange: () => {} },
        clock: { now: () => NOW_MS },
        timeoutMs: 20_000,
        limits: { maxEvalRows: 1, maxAnswerBytes: 100, maxConcurrent: 1, maxWaiting: 0 },
      });
    });
    afterAll(() => narrow.stop());

    it.each([
      'getSummary',
      'getAnomalies',
      'correlate',
      'getServices',
      'getEvalRuns',
      'getEvalCases',
      'queryMetrics',
    ])('%s: 413', async id => {
      const answer = await narrow.get(examplePath(operation(id)));
      expect(answer.status).toBe(413);
      expect(undocumented(operation(id), answer)).toEqual([]);
    });
  });

  // The last: from here on, a shard is away.
  describe('with a shard that is down', () => {
    beforeAll(() => site.down(1));
    const fromShards = READS.filter(
      ({ path }) => path.startsWith('/api/') && path !== '/api/v1/blobs/{sha256}',
    );

    it.each(fromShards)('$method $path', async read => {
      const answer = await site.query.get(examplePath(read, NEEDED));
      expect([200, 503]).toContain(answer.status);
      expect(answer.headers.get('otelfan-missing-shards')).toBe('s1');
      expect(undocumented(read, answer)).toEqual([]);
    });

    it.each(fromShards.filter(({ path }) => path !== '/api/v1/sql'))(
      '$method $path: 503 when all or nothing is asked for',
      async read => {
        const answer = await site.query.get(examplePath(read, ['partial', 'explain']));
        expect(answer.status).toBe(503);
        expect(undocumented(read, answer)).toEqual([]);
      },
    );

    it('a blob that no shard has is a 503', async () => {
      const answer = await site.query.get(`/api/v1/blobs/${'0'.repeat(64)}`);
      expect(answer.status).toBe(503);
      expect(undocumented(operation('getBlob'), answer)).toEqual([]);
    });

    it('a write to it is a 503', async () => {
      const write = operation('putBlob');
      const answers = await Promise.all(
        ['a', 'b', 'c', 'd', 'e', 'f'].map(body => postExample(site, write, { body })),
      );
      expect(answers.map(({ status }) => status)).toContain(503);
      for (const answer of answers) expect(undocumented(write, answer)).toEqual([]);
    });
  });
});

function isSingle(parameter: Documented['parameters'][number]): boolean {
  return parameter.in === 'query' && parameter.schema.type !== 'array';
}
