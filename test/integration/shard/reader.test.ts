import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseRead, type SnapshotCall } from '../../../src/shard/reads/call.ts';
import { openReaders, type ReadTestShard } from '../../support/read-shards.ts';

const ROWS = 400_000;

let shard: ReadTestShard;
beforeAll(async () => {
  [shard] = (await openReaders(1)) as [ReadTestShard];
  await shard.connection.run(`
    INSERT INTO store.spans
    SELECT md5_number(i::VARCHAR), 0, md5_number_lower(i::VARCHAR), 0, 'shop', 'op', i, 1, 'unset', 'internal',
      '{"n":"' || i || '"}', NULL, NULL, NULL, 1, 1, NULL
    FROM range(${ROWS}) t(i);
    INSERT INTO store.sources VALUES (1, '{}', '{}');
    INSERT INTO store.commits (commit_no, stored_at_ms, spans, logs, metrics) VALUES (1, 0, ${ROWS}, 0, 0)`);
});
afterAll(() => shard.remove());

function spansCall(request: object): SnapshotCall {
  const call = parseRead('spans', request);
  if (call.kind === 'refused') throw new Error(call.message);
  return call.value;
}

describe('a read', () => {
  it('ends soon after its caller has gone', async () => {
    const caller = new AbortController();
    const read = shard.reader.read(spansCall({ limit: ROWS }), caller.signal);
    setTimeout(() => caller.abort(), 5);
    await expect(read).rejects.toThrow(/interrupt|abort/i);
  });

  it('of a caller that has gone already does not start', async () => {
    await expect(shard.reader.read(spansCall({ limit: 1 }), AbortSignal.abort())).rejects.toThrow();
  });

  it('gives every row once, in order, over more than one chunk', async () => {
    const { keys, trailer } = await shard.read('spans', { limit: 5000 });
    expect(keys).toHaveLength(5000);
    const texts = keys.map(String);
    expect(texts).toEqual([...new Set(texts)].toSorted().toReversed());
    expect(trailer).toEqual({ rows: 5000, asOf: '1', truncated: false });
  });
});
