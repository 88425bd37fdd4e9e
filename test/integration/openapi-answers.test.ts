import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { DOCUMENT } from '../../src/query/openapi/document.ts';
import type { EvalSite } from '../support/eval-site.ts';
import { listenLive } from '../support/live-client.ts';
import { type Documented, examplePath, misfits, undocumented } from '../support/openapi.ts';
import {
  declined,
  failed,
  LIVE,
  NEEDED,
  READS,
  startExampleSite,
  tracesOf,
  WRITES,
} from '../support/openapi-site.ts';
import { logsOf } from '../support/otlp-samples.ts';

let site: EvalSite;
let written: Awaited<ReturnType<typeof startExampleSite>>['written'];
beforeAll(async () => {
  ({ site, written } = await startExampleSite());
});
afterAll(() => site.stop());

describe('answers are as the OpenAPI document says', () => {
  it.each(WRITES)('$method $path', write => {
    const answer = written.get(write.path);
    if (answer === undefined) throw new Error('not posted');
    expect(answer.status).toBe(201);
    expect(undocumented(write, answer)).toEqual([]);
  });

  it.each(READS)('$method $path', async read => {
    const answer = await site.query.get(examplePath(read, NEEDED));
    expect(answer.status).toBe(200);
    expect(undocumented(read, answer)).toEqual([]);
    const lists = Object.entries(answer.body).filter(([, value]) => Array.isArray(value));
    for (const [name, list] of lists) expect(list, `${name} shows what a row is`).not.toEqual([]);
  });

  it.each(READS)('$method $path takes every parameter of its own, and no other', async read => {
    for (const { name, example } of read.parameters.filter(each => each.in === 'query')) {
      if (example === undefined) continue;
      const answer = await site.query.get(examplePath(read, [...NEEDED, name]));
      expect(answer.status, name).toBe(200);
      expect(undocumented(read, answer), name).toEqual([]);
    }
    const taken = await namesTaken(() => site.query.get(examplePath(read, NEEDED)));
    expect(taken).toEqual(queryNames(read));
  });

  it.each(LIVE)(
    '$method $path streams events of such rows, and takes its own parameters alone',
    async feed => {
      const names = queryNames(feed);
      let client: Awaited<ReturnType<typeof listenLive>> | undefined;
      const taken = await namesTaken(async () => {
        client = await listenLive(site.query.origin + examplePath(feed, names));
      });
      expect(taken).toEqual(names);
      if (client === undefined) throw new Error('the feed did not answer');
      try {
        const { content } = feed.responses[client.status] as Documented['responses'][string];
        const type = client.headers['content-type'] as string;
        expect(Object.keys(content)).toEqual([type]);
        await site.send('traces', tracesOf([{ ...failed(), spanId: 'eee19b7ec3c1b175' }]));
        await site.send('logs', logsOf('checkout', [declined('again')]));
        await expect.poll(() => client?.events()).toHaveLength(1);
        expect(misfits(content[type]?.['x-event-data'] ?? {}, client.events()[0])).toEqual([]);
      } finally {
        client.close();
      }
    },
  );

  it('the next page is one, too', async () => {
    const paged = READS.filter(({ parameters }) => parameters.some(({ name }) => name === 'cursor'));
    expect(paged).toHaveLength(4);
    for (const read of paged) {
      const first = `${examplePath(read)}?limit=1`;
      const { next_cursor } = (await site.query.get(first)).body;
      // There is one comment, and so one page of them.
      expect(typeof next_cursor === 'string').toBe(read.path !== '/api/v1/comments');
      if (next_cursor === undefined) continue;
      const answer = await site.query.get(`${first}&cursor=${String(next_cursor)}`);
      expect(answer.status).toBe(200);
      expect(undocumented(read, answer)).toEqual([]);
    }
  });

  it('the document is served as it is', async () => {
    const { body } = await site.query.get('/openapi.json');
    expect(body).toEqual(JSON.parse(JSON.stringify(DOCUMENT)));
  });
});

function queryNames({ parameters }: Documented): string[] {
  return parameters.flatMap(each => (each.in === 'query' ? each.name : [])).toSorted();
}

/** The parameters that are looked for in queries meanwhile. */
async function namesTaken(request: () => Promise<unknown>): Promise<string[]> {
  const all = vi.spyOn(URLSearchParams.prototype, 'getAll');
  const first = vi.spyOn(URLSearchParams.prototype, 'get');
  try {
    await request();
    const again = first.mock.calls.map(([name]) => name).filter(name => name !== OF_EVERY_PAGE);
    return [...new Set([...all.mock.calls.map(([name]) => name), ...again])].toSorted();
  } finally {
    all.mockRestore();
    first.mockRestore();
  }
}

/** Cursors are compared by it, whether the read takes it or not. */
const OF_EVERY_PAGE = 'last';
