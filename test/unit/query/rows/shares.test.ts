import { describe, expect, it } from 'vitest';
import type { RowPlan } from '../../../../src/query/reads/read.ts';
import { createShares } from '../../../../src/query/rows/shares.ts';

const planOf = (request: object): RowPlan => ({
  kind: 'rows',
  shardRead: 'logs',
  request: { limit: 100, ...request },
  order: [],
  limit: 100,
  member: 'logs',
});
const PLAN = planOf({});
const ASKED = { pageRows: 101, shards: 8 };
const EVEN = { pageRows: 101, taken: [13, 12, 14, 12, 13, 12, 13, 12] };
const OF_ONE = { pageRows: 101, taken: [101, 0, 0, 0, 0, 0, 0, 0] };

describe('the share that a shard is asked for first', () => {
  it('is the whole page where there is one shard, and never more', () => {
    const { firstRows } = createShares();
    expect(firstRows(PLAN, { pageRows: 101, shards: 1 })).toBe(101);
    expect(firstRows(PLAN, { pageRows: 2, shards: 8 })).toBe(2);
  });

  it('is more than an equal part, and much less than a page', () => {
    const rows = createShares().firstRows(PLAN, { pageRows: 1001, shards: 8 });
    expect(rows).toBeGreaterThan(1001 / 8);
    expect(rows).toBeLessThan(1001 / 4);
  });

  it('is a page after one that was all of one shard, for the same question only', () => {
    const shares = createShares();
    const other = planOf({ service: 'shop' });
    const before = shares.firstRows(other, ASKED);
    shares.learn(PLAN, OF_ONE);
    expect(shares.firstRows(PLAN, ASKED)).toBe(101);
    expect(shares.firstRows(planOf({ attributes: [], text: undefined }), ASKED)).toBe(101);
    expect(shares.firstRows(other, ASKED)).toBe(before);
  });

  it('would have been enough for the page before', () => {
    const shares = createShares();
    const page = { pageRows: 101, taken: [60, 20, 10, 5, 3, 1, 1, 1] };
    shares.learn(PLAN, page);
    expect(shares.firstRows(PLAN, ASKED)).toBeGreaterThanOrEqual(60);
    expect(shares.firstRows(PLAN, ASKED)).toBeLessThan(65);
  });

  it('becomes small again after many pages that lay evenly, as far as chance has it', () => {
    const shares = createShares();
    shares.learn(PLAN, OF_ONE);
    for (let page = 0; page < 1000; page++) shares.learn(PLAN, EVEN);
    expect(shares.firstRows(PLAN, ASKED)).toBeLessThan(30);
    expect(shares.firstRows(PLAN, ASKED)).toBeGreaterThan(20);
  });

  it('stays after pages that are not full: they show no more than that they are short', () => {
    const shares = createShares();
    const before = shares.firstRows(PLAN, ASKED);
    for (let page = 0; page < 1000; page++)
      shares.learn(PLAN, { pageRows: 101, taken: [1, 0, 0, 0, 0, 0, 0, 0] });
    expect(shares.firstRows(PLAN, ASKED)).toBe(before);
  });
});
