import { describe, expect, it } from 'vitest';
import { createHotKeys } from '../../../src/ingest/hot-keys.ts';
import { seededRandom } from '../../support/load.ts';

const service = (name: string) => ({ kind: 'service', bytes: Buffer.from(name) }) as const;

describe('hot keys', () => {
  it('a key with a visible share is found among a flood of others, and never underestimated', () => {
    const keys = createHotKeys({ now: () => 0 });
    const random = seededRandom(1);
    let hot = 0;
    for (let i = 0; i < 20_000; i++) {
      const isHot = random() < 0.05;
      if (isHot) hot += 1;
      keys.add({
        signal: 'logs',
        key: service(isHot ? 'checkout' : `service ${i}`),
        shard: isHot ? 's1' : 's0',
        records: 64,
      });
    }
    const [first] = keys.top();
    expect(first).toMatchObject({ signal: 'logs', key: 'checkout', shard: 's1' });
    expect(first?.records).toBeGreaterThanOrEqual(hot * 64);
  });

  it('shows a trace as hex, and leaves out keys without a visible share', () => {
    const keys = createHotKeys({ now: () => 0 });
    const trace = { kind: 'trace', bytes: Buffer.alloc(16, 0xab) } as const;
    for (let i = 0; i < 1000; i++) keys.add({ signal: 'traces', key: trace, shard: 's0', records: 1 });
    keys.add({
      signal: 'traces',
      key: { kind: 'trace', bytes: Buffer.alloc(16, 1) },
      shard: 's1',
      records: 1,
    });
    expect(keys.top()).toEqual([{ signal: 'traces', key: 'ab'.repeat(16), shard: 's0', records: 1000 }]);
  });

  it('names the shard that has the key now', () => {
    const keys = createHotKeys({ now: () => 0 });
    for (const shard of ['s0', 's1']) keys.add({ signal: 'logs', key: service('shop'), shard, records: 64 });
    expect(keys.top()).toEqual([{ signal: 'logs', key: 'shop', shard: 's1', records: 128 }]);
  });

  it('what was hot a while ago fades', () => {
    let nowMs = 0;
    const keys = createHotKeys({ now: () => nowMs });
    keys.add({
      signal: 'metrics',
      key: { kind: 'metric', bytes: Buffer.from('m') },
      shard: 's0',
      records: 100,
    });
    nowMs = 60_000;
    expect(keys.top()[0]?.records).toBe(50);
    nowMs = 3_600_000;
    expect(keys.top()).toEqual([]);
  });
});
