import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectNothingUnaccounted } from '../support/conservation.ts';
import { seededRandom, startLoad } from '../support/load.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { OK_MEANS } from '../support/promises.ts';
import { openDataFolderQueue } from '../support/queue-samples.ts';
import { eventually, get } from '../support/read-api.ts';
import { startUp, temporaryFolder } from '../support/systems.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder.remove());

describe(`${OK_MEANS} (kill -9 of up under load)`, () => {
  it.each([1, 20_261, 777_777])('keeps every acknowledged span exactly once (seed %i)', async seed => {
    const random = seededRandom(seed);
    const first = await startUp(folder.path);
    const load = startLoad({ http: first.http, random, service: 'load', concurrency: 6 });
    await new Promise(resolve => setTimeout(resolve, 600 + random() * 1400));
    await first.process.kill();
    const { acknowledged, sent } = await load.stop();
    expect(acknowledged.size).toBeGreaterThan(50);

    const second = await startUp(folder.path);
    try {
      // An export whose answer the kill cut off may be stored too: only an empty queue says that no more will come.
      const queue = await openDataFolderQueue(folder.path);
      const queued = async () => {
        const stats = await Promise.all((await queue.shards()).map(shard => queue.stats(shard)));
        return stats.reduce((sum, { batches }) => sum + batches, 0);
      };
      await eventually(queued, batches => batches === 0);
      const { body } = await get(second.api, 'traces?service=load&limit=100000');
      expect(body.partial).toBe(false);
      const ids = (body.spans as Json[]).map(span => span.span_id as string);
      expect([...acknowledged].filter(id => !ids.includes(id))).toEqual([]);
      // The row read shows a span once, so the count is held against the aggregate, which counts stored rows.
      const { body: aggregate } = await get(second.api, 'services');
      expect((aggregate.services as Json[])[0]).toMatchObject({ name: 'load', span_count: ids.length });
      expect(new Set(ids).size).toBe(ids.length);
      expect(ids.filter(id => !sent.has(id))).toEqual([]);
      await expectNothingUnaccounted({ metrics: second.metrics, queue }).finally(() => queue.stop());
    } finally {
      await second.stop();
    }
  });
});
